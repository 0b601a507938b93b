import type { Queryable } from '../db.ts'
import { type DeliveryFilter, type DeliveryRow, readDelivery } from './deliveries-read.ts'
import { query } from './query.ts'

/** The states of the dead-letter list: ended, and nobody can rely on it that the action was done. */
export const deadStates = ['failed', 'unknown'] as const

/** What became of a request to change a delivery: the delivery as it is now, or why it stays as it is. */
export type Change = { changed: DeliveryRow } | { refused: string }

export type DeadLetterFilter = Omit<DeliveryFilter, 'state' | 'kind'> & {
  state?: (typeof deadStates)[number] | undefined
}

/** Short transactions: a list of any length is retried without holding locks for longer than a moment. */
const batchMax = 1_000

const setPending = query<DeliveryRow>('manage/retry-delivery')
const setCancelled = query<DeliveryRow>('manage/cancel-delivery')
const setBatchPending = query<{ retried: number; last_key: string[] | null }>('manage/retry-deliveries')

/**
 * Sends a delivery that ended without success once more, at once and with a whole new schedule of attempts; their numbers
 * go on. `undefined`: there is no such delivery (of the user, if one is given).
 */
export async function retryDelivery(db: Queryable, id: string, userId?: string): Promise<Change | undefined> {
  const [changed] = await setPending(db, [id, userId])
  if (changed !== undefined) return { changed }
  const found = await readDelivery(db, id, userId)
  if (found === undefined) return undefined
  const refused =
    found.action_id === null
      ? 'The action of this delivery was deleted: there is nothing left to run.'
      : `This delivery is ${found.state}: only one that is failed, unknown or cancelled can be retried.`
  return { refused }
}

/** Ends a delivery that has not begun, or waits for its next attempt. `undefined`: there is no such delivery. */
export async function cancelDelivery(
  db: Queryable,
  id: string,
  userId?: string,
): Promise<Change | undefined> {
  const [changed] = await setCancelled(db, [id, userId])
  if (changed !== undefined) return { changed }
  const found = await readDelivery(db, id, userId)
  if (found === undefined) return undefined
  return {
    refused: `This delivery is ${found.state}: only one that is pending or enqueued can be cancelled.`,
  }
}

/**
 * Retries everything on the dead-letter list that fits the filter and whose action is still there, the oldest first.
 *
 * @returns how many.
 */
export async function retryDeliveries(
  db: Queryable,
  filter: DeadLetterFilter,
  { batch = batchMax }: { batch?: number } = {},
): Promise<number> {
  let retried = 0
  for (const state of filter.state === undefined ? deadStates : [filter.state]) {
    let after: readonly string[] | null | undefined
    do {
      const [done] = await setBatchPending(db, [
        state,
        filter.trigger_id,
        filter.destination,
        filter.since,
        after?.[0],
        after?.[1],
        batch,
        filter.user_id,
      ])
      retried += done?.retried ?? 0
      after = done?.last_key
    } while (after !== undefined && after !== null)
  }
  return retried
}
