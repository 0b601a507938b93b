import type { Database, Transaction } from '../db.ts'

/**
 * A transaction that is under way, for what begins transactions of its own: each of them becomes a savepoint of this one. Like
 * `asUser`, it can do two things, `unsafe` and `begin`. Options of `begin` have no meaning any more, and are passed over.
 */
export function asDatabase(transaction: Transaction): Database {
  const begin = (...given: unknown[]): Promise<unknown> =>
    transaction.savepoint((inner) => (given.at(-1) as (transaction: Transaction) => Promise<unknown>)(inner))
  const unsafe = (...parameters: Parameters<Transaction['unsafe']>) => transaction.unsafe(...parameters)
  return { begin, unsafe } as unknown as Database
}
