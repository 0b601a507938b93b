import postgres from 'postgres'
import { UserError } from './errors.ts'

/** A pool of connections, or one transaction of it. Made by {@link openDatabase}. */
export type Database = postgres.Sql<{ bigint: number }>
export type Transaction = postgres.TransactionSql<{ bigint: number }>
export type Queryable = Database | Transaction

/**
 * Opens a pool. `int8` comes back as a number (all of ours are far below 2^53), `numeric` as a string, `timestamptz` as a Date.
 * Pass big integers in as strings: the driver would take a JS bigint for an `int8`.
 *
 * @param options.keepsSession for advisory locks of a session.
 * @param options.session settings that each connection begins with.
 * @param options.onClose a connection has ended; called before another one takes its place.
 * @param options.onNotify of channels that a query listens to on a connection of this pool.
 */
export function openDatabase(
  url: string,
  options: {
    name: string
    connectionsMax?: number
    keepsSession?: boolean
    session?: Record<string, string>
    onClose?: () => void
    onNotify?: (channel: string) => void
  },
): Database {
  return postgres(url, {
    max: options.connectionsMax ?? 10,
    // jit: our queries end in milliseconds. To compile one that looks costly, over many partitions or chunks, takes seconds.
    connection: {
      application_name: `tocsin ${options.name}`,
      timezone: 'UTC',
      jit: 'off',
      ...options.session,
    },
    connect_timeout: 10,
    // By itself the driver replaces a connection after half an hour or so, and with it what the session holds.
    ...(options.keepsSession === true ? { max_lifetime: null } : {}),
    onnotice: () => {},
    onclose: () => options.onClose?.(),
    // Not in its types: what `listen` of the driver is made of, which does not say when its connection is lost.
    ...(options.onNotify === undefined ? {} : { onnotify: options.onNotify }),
    types: {
      bigint: { to: 20, from: [20], parse: parseInt8, serialize: String },
    },
  })
}

/** postgres.js gives up on a port that does not answer, but asks one that closes every connection again and again. */
const checkMaxMs = 15_000

/**
 * Checks once that the database answers.
 *
 * @throws UserError in one sentence, without the password, when it does not.
 */
export async function checkDatabase(db: Database, url: string): Promise<void> {
  // Ending it also ends the query, which would otherwise keep whoever closes the pool waiting.
  const timer = setTimeout(() => void db.end({ timeout: 0 }), checkMaxMs)
  try {
    await db`select 1`
  } catch (error) {
    const { host, pathname, username } = new URL(url)
    const code = (error as { code?: string }).code ?? ''
    const hint =
      code === '28P01' || code === '28000'
        ? `it refuses the user "${username}" or the password. Check DATABASE_URL`
        : code === '3D000'
          ? `it has no database "${pathname.slice(1)}". Create it, or correct DATABASE_URL`
          : [
                'ECONNREFUSED',
                'ENOTFOUND',
                'EAI_AGAIN',
                'CONNECT_TIMEOUT',
                'ETIMEDOUT',
                'EHOSTUNREACH',
              ].includes(code)
            ? `no Postgres answers there (${code}). Start it, or correct DATABASE_URL`
            : code === 'CONNECTION_DESTROYED' || code === 'CONNECTION_ENDED'
              ? 'something listens there, but does not answer as Postgres does. Wait until it is up, or correct DATABASE_URL'
              : (error as Error).message
    throw new UserError(`Cannot use the database at ${host}${pathname}: ${hint}.`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

function parseInt8(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 ${text} does not fit a JS number`)
  return value
}
