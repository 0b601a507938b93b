import { type Database, openDatabase } from '../db.ts'
import { UserError } from '../errors.ts'
import type { Shutdown } from '../shutdown.ts'

const name = 'tocsin_demo'

/**
 * A new, empty database for a demo, on the given server: the demo's chain begins anew each time, so its events must too.
 * What an earlier demo left is dropped; nothing else on the server is touched.
 *
 * @returns its URL.
 * @throws UserError while another demo runs on the server, or when the user may not create databases.
 */
export async function createDemoDatabase(serverUrl: string, shutdown: Shutdown): Promise<string> {
  const db = openDatabase(serverUrl, { name: 'demo', connectionsMax: 1 })
  shutdown.add(() => db.end())
  await claimDemo(db)
  try {
    await db.unsafe(`drop database if exists ${name} with (force)`)
    await db.unsafe(`create database ${name} template template0 encoding 'UTF8'`)
  } catch (error) {
    throw new UserError(
      `The demo needs a database of its own and could not create "${name}": ${(error as Error).message}. Unset DATABASE_URL to use the embedded Postgres.`,
      { cause: error },
    )
  }
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** The connection stays open, and with it the lock, until the demo ends. */
async function claimDemo(db: Database): Promise<void> {
  const [claim] = await db<
    { held: boolean }[]
  >`select pg_try_advisory_lock(hashtextextended('tocsin demo', 0)) as held`
  if (claim?.held !== true) {
    throw new UserError(
      'A demo is already running on this Postgres. Stop it (Ctrl-C in its terminal) and try again.',
    )
  }
}
