import type { Database, Transaction } from '../db.ts'
import { query } from './query.ts'

/** Who changes something, as the audit log names them. */
export type Actor = {
  kind: 'operator' | 'session' | 'key' | 'anonymous'
  user_id?: string | undefined
  key_id?: string | undefined
  /** An IP address. */
  address?: string | undefined
  request_id?: string | undefined
  /** Why, in their own words. */
  reason?: string | undefined
}

const setActor = query<never>('manage/set-actor')

/**
 * A database whose transactions say who acts, so that the audit log has it. Every query is in one. Like `asUser`, which it can be put around, it
 * can do two things, `unsafe` and `begin`.
 */
export function asActor(db: Database, actor: Actor): Database {
  const text = JSON.stringify(actor)
  const begin = (...given: unknown[]): Promise<unknown> => {
    const work = given.at(-1) as (transaction: Transaction) => Promise<unknown>
    const options = given.length > 1 ? String(given[0]) : ''
    return db.begin(options, async (transaction) => {
      // Not waited for: what follows goes right behind it on the same connection, and fails if it has failed.
      const failure = setActor(transaction, [text]).then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      try {
        const result = await work(transaction)
        const failed = await failure
        if (failed !== undefined) throw failed.error
        return result
      } catch (error) {
        throw (await failure)?.error ?? error
      }
    })
  }
  const unsafe = (...parameters: Parameters<Transaction['unsafe']>) =>
    begin((transaction: Transaction) => transaction.unsafe(...parameters))
  return { begin, unsafe } as unknown as Database
}
