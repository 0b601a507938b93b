import postgres from 'postgres'
import { type PostgresFolder, readPassword } from './embedded-postgres-folder.ts'

/** A connection that stays open until it is closed or cut; `closed` then resolves. */
export type Session = { sql: postgres.Sql; closed: Promise<void> }

/**
 * Advisory locks carry the whole agreement, since Postgres frees them when their process dies, however it dies:
 * each user of the server shares `lease`; one process at a time is `keeper`; who stops the server holds `lease` alone,
 * so that nobody can begin to use it in that moment.
 */
const space = 0x746f6373
const locks = { lease: 1, keeper: 2 }

/** SQLSTATEs and socket errors of a server that is on its way up or down. */
const passing = [
  '57P01', // admin shutdown
  '57P02', // crash shutdown
  '57P03', // cannot connect now
  '55P03', // the lock was not to be had
  '53300', // too many connections
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
]

/** Whether trying again may help. */
export function isPassing(error: unknown): boolean {
  return passing.includes((error as { code?: string }).code ?? '')
}

/** Opens one connection to the server's maintenance database, where advisory locks are common to all. */
export async function openSession(folder: PostgresFolder, port: number, name: string): Promise<Session> {
  let close: () => void = () => {}
  const closed = new Promise<void>((resolve) => {
    close = resolve
  })
  const sql = postgres({
    host: '127.0.0.1',
    port,
    username: 'tocsin',
    password: await readPassword(folder),
    database: 'postgres',
    connection: { application_name: `tocsin ${name}`, lock_timeout: 5_000 },
    max: 1,
    // The driver would otherwise replace the connection, and lose its locks, after half an hour.
    max_lifetime: null,
    connect_timeout: 5,
    fetch_types: false,
    onnotice: () => {},
    onclose: () => close(),
  })
  try {
    await sql`select 1`
    return { sql, closed }
  } catch (error) {
    await sql.end({ timeout: 0 })
    throw error
  }
}

/** Waits while somebody stops the server; the connection is then cut. */
export async function takeLease({ sql }: Session): Promise<void> {
  await sql`select pg_advisory_lock_shared(${space}::int, ${locks.lease}::int)`
}

export async function giveBackLease({ sql }: Session): Promise<void> {
  await sql`select pg_advisory_unlock_shared(${space}::int, ${locks.lease}::int)`
}

export async function isLeased({ sql }: Session): Promise<boolean> {
  const [found] = await sql<{ held: boolean }[]>`select ${isHeld(sql, locks.lease)} as held`
  return found?.held === true
}

/** True: the server is ours alone, and is to be stopped. */
export function claimServer({ sql }: Session): Promise<boolean> {
  return tryLock(sql, locks.lease)
}

/** True: this session is the keeper, as long as it lasts. */
export function claimKeeper({ sql }: Session): Promise<boolean> {
  return tryLock(sql, locks.keeper)
}

export async function hasKeeper({ sql }: Session): Promise<boolean> {
  const [found] = await sql<{ held: boolean }[]>`select ${isHeld(sql, locks.keeper)} as held`
  return found?.held === true
}

async function tryLock(sql: postgres.Sql, lock: number): Promise<boolean> {
  const [result] = await sql<{ taken: boolean }[]>`
    select pg_try_advisory_lock(${space}::int, ${lock}::int) as taken`
  return result?.taken === true
}

function isHeld(sql: postgres.Sql, lock: number) {
  return sql`exists (
    select from pg_locks
    where locktype = 'advisory' and granted
      and database = (select oid from pg_database where datname = current_database())
      and classid = ${space}::int::oid and objid = ${lock}::int::oid and objsubid = 2)`
}
