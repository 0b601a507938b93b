import type { Database, Transaction } from '../db.ts'
import { query } from './query.ts'

const setUser = query<never>('manage/set-user')

/**
 * The database as one user may see it: every query, and every transaction that is begun, runs as the role `tocsin_api`, to which
 * Postgres shows what is of this user (or of everybody) and nothing else. It can do two things, `unsafe` and `begin`, which is
 * all that the store needs.
 */
export function asUser(db: Database, userId: string): Database {
  const begin = (...given: unknown[]): Promise<unknown> => {
    const work = given.at(-1) as (transaction: Transaction) => Promise<unknown>
    const options = given.length > 1 ? String(given[0]) : ''
    return db.begin(options, async (transaction) => {
      // Not waited for: what follows goes right behind it on the same connection, and fails if it has failed.
      const set = setUser(transaction, [userId]).then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      try {
        const result = await work(transaction)
        return await set.then((failed) => (failed === undefined ? result : Promise.reject(failed.error)))
      } catch (error) {
        // The first error says why.
        const failed = await set
        throw failed === undefined ? error : failed.error
      }
    })
  }
  const unsafe = (...parameters: Parameters<Transaction['unsafe']>) =>
    begin((transaction: Transaction) => transaction.unsafe(...parameters))
  return { begin, unsafe } as unknown as Database
}
