import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { openEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A superuser's URL of the Postgres that the tests use. */
    postgresUrl: string
  }
}

type Server = { url: string; stop(): Promise<void> }

// Vitest loads this file once for each project that names it; the projects of one run share one server.
const shared = globalThis as { tocsinTestServer?: { users: number; server: Promise<Server> } | undefined }

export async function setup(project: TestProject): Promise<void> {
  shared.tocsinTestServer ??= { users: 0, server: startServer() }
  shared.tocsinTestServer.users += 1
  project.provide('postgresUrl', (await shared.tocsinTestServer.server).url)
}

export async function teardown(): Promise<void> {
  const entry = shared.tocsinTestServer
  if (entry === undefined) return
  entry.users -= 1
  if (entry.users > 0) return
  shared.tocsinTestServer = undefined
  await (await entry.server).stop()
}

/** The server that TEST_DATABASE_URL names (any Postgres from 15 on, as a superuser), or an embedded one of this run's own. */
async function startServer(): Promise<Server> {
  const given = process.env.TEST_DATABASE_URL
  if (given !== undefined && given !== '') return { url: given, stop: async () => {} }

  const home = await mkdtemp(join(tmpdir(), 'tocsin-test-'))
  // As root, the server runs as another user, who has to get in.
  await chmod(home, 0o711)
  const { url, release } = await openEmbeddedPostgres({ home })
  await giveUpDurability(url)
  return {
    url,
    stop: async () => {
      await release()
      await rm(await realpath(join(home, 'postgres')), { recursive: true, force: true })
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** Nobody needs this data after a power cut. */
async function giveUpDurability(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 })
  try {
    await sql`alter system set fsync = off`
    await sql`alter system set full_page_writes = off`
    await sql`select pg_reload_conf()`
  } finally {
    await sql.end()
  }
}
