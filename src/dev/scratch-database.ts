import { type Database, openDatabase } from '../db.ts'
import { UserError } from '../errors.ts'
import type { Shutdown } from '../shutdown.ts'

/**
 * A new, empty database on the given server. What stood there under the same name is dropped; nothing else is touched.
 *
 * @returns its URL, and a connection to the server that stays open until shutdown.
 * @throws UserError while another process uses the name, or when the user may not create databases.
 */
export async function createScratchDatabase(
  serverUrl: string,
  name: string,
  shutdown: Shutdown,
): Promise<{ url: string; server: Database }> {
  const server = openDatabase(serverUrl, { name, connectionsMax: 1 })
  shutdown.add(() => server.end())
  // Held by the connection: it ends with this process, however that ends.
  const [claim] = await server<{ held: boolean }[]>`
    select pg_try_advisory_lock(hashtextextended('tocsin scratch ' || ${name}, 0)) as held
  `
  if (claim?.held !== true) {
    throw new UserError(
      `The database "${name}" is in use: the same command runs already. Stop it (Ctrl-C in its terminal) and try again.`,
    )
  }
  try {
    await server`drop database if exists ${server(name)} with (force)`
    await server`create database ${server(name)} template template0 encoding 'UTF8'`
  } catch (error) {
    throw new UserError(
      `Could not create the database "${name}": ${(error as Error).message}. Unset DATABASE_URL to use the embedded Postgres, or give the user the right to create databases.`,
      { cause: error },
    )
  }
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return { url: url.href, server }
}
