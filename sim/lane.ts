import { chmod, mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../src/db.ts'
import { openEmbeddedPostgres } from '../src/dev/embedded-postgres.ts'
import { applyMigrations } from '../src/migrate.ts'

/** A Postgres of its own, in which one seed runs after the other. */
export type Lane = {
  home: string
  /** A new database with our schema. */
  createDatabase(name: string): Promise<string>
  dropDatabase(name: string): Promise<void>
  /** Ends the server, as a crash would or in good order; it is started again at once. Undefined where the server is not ours. */
  restart: ((crash: boolean) => Promise<void>) | undefined
  close(): Promise<void>
}

/** @param serverUrl another server to use instead; seeds then leave it running. */
export async function openLane(serverUrl?: string): Promise<Lane> {
  const home = await mkdtemp(join(tmpdir(), 'tocsin-sim-'))
  // As root, the server runs as another user, who has to get in.
  await chmod(home, 0o711)
  const own = serverUrl === undefined ? await openEmbeddedPostgres({ home }) : undefined
  const url = serverUrl ?? own?.url ?? ''
  const template = `sim_template_${process.pid}_${home.slice(-6)}`.toLowerCase()

  const asAdmin = async (act: (sql: ReturnType<typeof openDatabase>) => Promise<unknown>) => {
    const sql = openDatabase(url, { name: 'sim admin', connectionsMax: 1 })
    try {
      await act(sql)
    } finally {
      await sql.end()
    }
  }
  const urlOf = (name: string) => {
    const found = new URL(url)
    found.pathname = `/${name}`
    return found.href
  }
  const dropDatabase = (name: string) =>
    asAdmin((sql) => sql`drop database if exists ${sql(name)} with (force)`)
  if (own !== undefined) await asAdmin(giveUpDurability)
  await asAdmin((sql) => sql`create database ${sql(template)} template template0 encoding 'UTF8'`)
  await applyMigrations(urlOf(template))
  return {
    home,
    createDatabase: async (name) => {
      await asAdmin((sql) => sql`create database ${sql(name)} template ${sql(template)}`)
      return urlOf(name)
    },
    dropDatabase,
    restart:
      own === undefined
        ? undefined
        : async (crash) => {
            const pidFile = join(await realpath(join(home, 'postgres')), 'data', 'postmaster.pid')
            const pid = Number((await readFile(pidFile, 'utf8')).split('\n')[0])
            // The embedded server's own watch starts it again, at the port that it had.
            process.kill(pid, crash ? 'SIGQUIT' : 'SIGINT')
          },
    close: async () => {
      await dropDatabase(template)
      await own?.release()
      const folder = await realpath(join(home, 'postgres')).catch(() => undefined)
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** What dies here are processes, never the machine: what was written to a file is there. Commits wait for the file all the same. */
async function giveUpDurability(sql: ReturnType<typeof openDatabase>): Promise<void> {
  await sql`alter system set fsync = off`
  await sql`alter system set full_page_writes = off`
  await sql`select pg_reload_conf()`
}
