import { type Database, openDatabase, type Transaction } from '../db.ts'
import { query } from './query.ts'

export type UserConnections = {
  /** Runs one query that only reads, as this user. */
  read(userId: string, ...query: Parameters<Transaction['unsafe']>): Promise<unknown>
  end(): Promise<void>
}

/** One connection. Whose it is, is known from when Postgres has said so until it is lost; then it is never used again. */
type Connection = {
  db: Database
  userId: string | undefined
  /** How many have it. Only those of one user have it at once. */
  holders: number
  isNew: boolean
  isLost: boolean
}

const setUser = query<{ id: string; role: string }>('manage/set-user-of-session')
const role = 'tocsin_api'

/** So many queries of one user may be under way on one connection: sent together, and answered one after the other. */
const holdersMax = 8

/**
 * Connections that are the role `tocsin_api` for good, can only read, and remember which user they are set to: a query of the same user
 * as the last one is one journey to Postgres instead of three.
 *
 * A connection begins as nobody's, and Postgres shows nobody no row. It runs queries of one user, and those of another only when all of them
 * are answered, and Postgres has answered that the user is set. If it was lost in between, the driver may have run the query on a new
 * one: as nobody, and the answer is thrown away.
 */
export function openUserConnections(
  url: string,
  { name, connectionsMax = 8 }: { name: string; connectionsMax?: number },
): UserConnections {
  const all = new Set<Connection>()
  /** The longest unused first. */
  const free: Connection[] = []
  const waiting: { userId: string; resolve(connection: Connection): void; reject(error: Error): void }[] = []
  let isEnded = false
  /** The last one that was handed in this turn of the event loop: what is asked in one turn is sent together. */
  let recent: Connection | undefined
  const forgetRecent = () => {
    recent = undefined
  }

  const open = (): Connection => {
    const db = openDatabase(url, {
      name,
      connectionsMax: 1,
      keepsSession: true,
      session: { role, default_transaction_read_only: 'on' },
      onClose: () => lose(connection),
    })
    const connection: Connection = { db, userId: undefined, holders: 0, isNew: true, isLost: false }
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
  /** At once, and not when the one who asked goes on: meanwhile others ask. */
  const hand = (connection: Connection, userId: string): Connection => {
    if (connection.userId !== userId) {
      if (connection.holders > 0) throw new Error('A connection is still in use for another user')
      connection.userId = undefined
    }
    connection.holders += 1
    if (recent === undefined) setImmediate(forgetRecent)
    recent = connection
    return connection
  }
  const take = async (userId: string): Promise<Connection> => {
    if (isEnded) throw lost()
    if (recent !== undefined && canShare(recent, userId)) return hand(recent, userId)
    const own = free.findLastIndex((connection) => connection.userId === userId)
    if (own < 0 && all.size < connectionsMax && waiting.length === 0) return hand(open(), userId)
    const [connection = findShared(userId)] = free.splice(Math.max(own, 0), 1)
    if (connection !== undefined) return hand(connection, userId)
    return new Promise((resolve, reject) => waiting.push({ userId, resolve, reject }))
  }
  /** One that nobody has is free. None while others wait: whatever is free next is theirs. */
  const canShare = ({ userId, holders, isLost }: Connection, wanted: string): boolean =>
    userId === wanted && holders > 0 && holders < holdersMax && !isLost && waiting.length === 0
  /** The least busy of those that this user has. */
  const findShared = (userId: string): Connection | undefined => {
    let least: Connection | undefined
    for (const connection of all) {
      if (canShare(connection, userId) && connection.holders < (least?.holders ?? holdersMax))
        least = connection
    }
    return least
  }
  const release = (connection: Connection) => {
    connection.holders -= 1
    if (connection.holders > 0) return
    const next = waiting.shift()
    if (next !== undefined) next.resolve(hand(connection.isLost ? open() : connection, next.userId))
    else if (!connection.isLost) free.push(connection)
  }

  const read: UserConnections['read'] = async (userId, ...asked) => {
    for (let isFirst = true; ; isFirst = false) {
      const connection = await take(userId)
      const { isNew } = connection
      try {
        return await run(connection, userId, asked)
      } catch (error) {
        if (!isOfQuery(error) || connection.userId !== userId) lose(connection)
        // It may have been lost long ago, when the server was started again. A read may be done twice.
        if (!connection.isLost || isNew || !isFirst || isEnded) throw error
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
    const [set] = await setUser(connection.db, [userId])
    // A pooler in between may drop what the connection was to begin with.
    if (set?.role !== role || set.id !== userId) throw new Error(`A connection is not the role ${role}`)
    if (connection.isLost) throw lost()
    connection.userId = userId
    connection.isNew = false
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
