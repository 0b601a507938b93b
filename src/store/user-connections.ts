import { type Database, openDatabase, type Transaction } from '../db.ts'
import { query } from './query.ts'

export type UserConnections = {
  /** Runs one query that only reads, as this user. */
  read(userId: string, ...query: Parameters<Transaction['unsafe']>): Promise<unknown>
  end(): Promise<void>
}

/** One connection. Whose it is, is known from when Postgres has said so until it is lost; then it is never used again. */
type Connection = { db: Database; userId: string | undefined; isLost: boolean }

const setUser = query<{ id: string; role: string }>('manage/set-user-of-session')
const role = 'tocsin_api'

/**
 * Connections that are the role `tocsin_api` for good, can only read, and remember which user they are set to: a query of the same user
 * as the last one is one journey to Postgres instead of three.
 *
 * A connection begins as nobody's, and Postgres shows nobody no row. It runs one query at a time, and one of another user only after
 * Postgres has answered that the user is set. If it was lost in between, the driver may have run the query on a new
 * one: as nobody, and the answer is thrown away.
 */
export function openUserConnections(
  url: string,
  { name, connectionsMax = 8 }: { name: string; connectionsMax?: number },
): UserConnections {
  const all = new Set<Connection>()
  /** The longest unused first. */
  const free: Connection[] = []
  const waiting: { resolve(connection: Connection): void; reject(error: Error): void }[] = []
  let isEnded = false

  const open = (): Connection => {
    const db = openDatabase(url, {
      name,
      connectionsMax: 1,
      keepsSession: true,
      session: { role, default_transaction_read_only: 'on' },
      onClose: () => lose(connection),
    })
    const connection: Connection = { db, userId: undefined, isLost: false }
    all.add(connection)
    return connection
  }
  const lose = (connection: Connection) => {
    if (connection.isLost) return
    connection.isLost = true
    all.delete(connection)
    const at = free.indexOf(connection)
    if (at >= 0) free.splice(at, 1)
    void connection.db.end({ timeout: 0 })
  }
  const take = async (userId: string): Promise<Connection> => {
    if (isEnded) throw lost()
    const own = free.findLastIndex((connection) => connection.userId === userId)
    if (own < 0 && all.size < connectionsMax && waiting.length === 0) return open()
    const [connection] = free.splice(Math.max(own, 0), 1)
    return connection ?? new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }
  const release = (connection: Connection) => {
    const next = waiting.shift()
    if (next !== undefined) next.resolve(connection.isLost ? open() : connection)
    else if (!connection.isLost) free.push(connection)
  }

  const read: UserConnections['read'] = async (userId, ...asked) => {
    for (let isFirst = true; ; isFirst = false) {
      const connection = await take(userId)
      const wasOpen = connection.userId !== undefined
      try {
        return await run(connection, userId, asked)
      } catch (error) {
        if (!isOfQuery(error) || connection.userId !== userId) lose(connection)
        // It may have been lost long ago, when the server was started again. A read may be done twice.
        if (!connection.isLost || !wasOpen || !isFirst || isEnded) throw error
      } finally {
        release(connection)
      }
    }
  }
  const end = async () => {
    isEnded = true
    for (const { reject } of waiting.splice(0)) reject(lost())
    await Promise.all([...all].map(({ db }) => db.end({ timeout: 5 })))
  }
  return { read, end }
}

async function run(connection: Connection, userId: string, asked: Parameters<Transaction['unsafe']>) {
  if (connection.userId !== userId) {
    connection.userId = undefined
    const [set] = await setUser(connection.db, [userId])
    // A pooler in between may drop what the connection was to begin with.
    if (set?.role !== role || set.id !== userId) throw new Error(`A connection is not the role ${role}`)
    if (connection.isLost) throw lost()
    connection.userId = userId
  }
  const rows = await connection.db.unsafe(...asked)
  if (connection.isLost) throw lost()
  return rows
}

/** Whether Postgres refused the query and the connection goes on. */
function isOfQuery(error: unknown): boolean {
  return (error as { severity?: string } | undefined)?.severity === 'ERROR'
}

function lost(): Error {
  return Object.assign(new Error('The connection to the database was lost'), { code: 'CONNECTION_CLOSED' })
}
