import { setTimeout as delay } from 'node:timers/promises'
import { type Database, openDatabase } from '../src/db.ts'

/** Our own connection to a database that is ended and started again. */
export type StoreConnection = {
  /**
   * @throws while the database is away.
   */
  use<Result>(read: (db: Database) => Promise<Result>): Promise<Result>
  /** Ends the connection, lets `action` end the server, and connects again as soon as it is back. Does not wait for that. */
  loseWhile(action: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

const answerMaxMs = 10_000

export function connectStore(url: string): StoreConnection {
  const open = () => openDatabase(url, { name: 'sim', connectionsMax: 2 })
  let db: Database | undefined = open()
  let closed = false
  const reconnect = async () => {
    while (!closed) {
      const next = open()
      // postgres.js can leave a query unanswered, or throw where nobody catches it, when a server dies under it: a new pool each time.
      const alive = await Promise.race([
        next`select 1`.then(
          () => true,
          () => false,
        ),
        delay(answerMaxMs, false),
      ])
      if (alive) {
        db = next
        return
      }
      await next.end({ timeout: 0 })
      await delay(50)
    }
  }
  return {
    use: (read) => {
      if (db === undefined) return Promise.reject(new Error('The database is away'))
      return read(db)
    },
    loseWhile: async (action) => {
      const before = db
      db = undefined
      await before?.end({ timeout: 1 })
      await action()
      void reconnect()
    },
    close: async () => {
      closed = true
      await db?.end({ timeout: 0 })
    },
  }
}
