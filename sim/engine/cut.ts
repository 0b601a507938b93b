import type { Database, Transaction } from '../../src/db.ts'

/** Where a matcher dies in a step. */
export type Cut =
  /** Before so many statements (from 0); if there are fewer, just before the commit. */
  { at: 'statement'; count: number } | { at: 'afterCommit' }

/**
 * A pool whose next transaction is cut. To the database it is the same as the death of the process: nothing of the transaction is
 * there. (A session that is ended by the server makes postgres.js throw where nobody catches it; see matcher-processes.ts for those.)
 */
export function cutDatabase(db: Database, cut: Cut): Database {
  const die = () => {
    throw new Error('The matcher died')
  }
  const begin = async (mode: string, work: (tx: Transaction) => Promise<unknown>) => {
    const result = await db.begin(mode, async (tx) => {
      let count = 0
      const counting = new Proxy(tx, {
        get: (target, name, receiver) => {
          if (name !== 'unsafe') return Reflect.get(target, name, receiver)
          return (...given: Parameters<Transaction['unsafe']>) => {
            if (cut.at === 'statement' && count === cut.count) die()
            count += 1
            return target.unsafe(...given)
          }
        },
      })
      const done = await work(counting)
      if (cut.at === 'statement') die()
      return done
    })
    if (cut.at === 'afterCommit') die()
    return result
  }
  return { begin } as unknown as Database
}
