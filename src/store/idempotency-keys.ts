import type { Queryable, Transaction } from '../db.ts'
import { query } from './query.ts'

/** What a request was answered with. */
export type KeptAnswer = {
  fingerprint: Buffer
  status: number
  headers: Record<string, string>
  /** Sealed for {@link idempotencyContext}. */
  body: string
}

const takeKey = query<{ mine: boolean }>('manage/take-idempotency-key')
const selectAnswer = query<KeptAnswer>('manage/read-idempotency-key')
const insertAnswer = query<never>('manage/keep-answer')

/**
 * Takes a key until the end of the transaction, and finds what was answered under it before. When the process dies, the transaction
 * ends, and with it what was done and the hold on the key.
 *
 * @returns 'taken': somebody else has it. undefined: it is new, or a day old.
 */
export async function takeIdempotencyKey(
  transaction: Transaction,
  { userId, key }: { userId: string; key: string },
): Promise<KeptAnswer | 'taken' | undefined> {
  // One after the other on the same connection: the second sees what was committed before the first got the key.
  const [[taken], [answer]] = await Promise.all([
    takeKey(transaction, [userId, key]),
    selectAnswer(transaction, [userId, key]),
  ])
  return taken?.mine === true ? answer : 'taken'
}

/** Keeps what was answered, in the transaction that did what was asked for. */
export async function keepAnswer(
  db: Queryable,
  { userId, key, answer }: { userId: string; key: string; answer: KeptAnswer },
): Promise<void> {
  await insertAnswer(db, [userId, key, answer.fingerprint, answer.status, answer.headers, answer.body])
}

/** What the body of an answer is sealed for: moved to another user or key, it does not open. */
export function idempotencyContext({ userId, key }: { userId: string; key: string }): string {
  return `idempotency-key:${userId}:${key}`
}
