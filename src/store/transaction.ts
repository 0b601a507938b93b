import type { Database, Transaction } from '../db.ts'
import { isTransient } from './postgres-errors.ts'

/**
 * Runs a transaction, and runs it again when it loses a race against another one: a matcher, a worker or another request was just
 * changing the same rows.
 *
 * @param tries how often at most; the last failure is thrown.
 */
export async function inTransaction<Result>(
  db: Database,
  work: (transaction: Transaction) => Promise<Result>,
  tries = 3,
): Promise<Result> {
  for (let triesLeft = tries; ; triesLeft -= 1) {
    try {
      return (await db.begin(work)) as Result
    } catch (error) {
      if (triesLeft <= 1 || !isTransient(error)) throw error
    }
  }
}
