import type { RegistryEvent } from '../event.ts'
import { query } from './query.ts'

/** What a worker gets with its claim. `config` and `trigger` are null when they were deleted since the match. */
export type ClaimedDelivery = {
  id: string
  /** 1 for the first claim. */
  attempts: number
  /** How many of the attempts came before the present schedule: not 0 once somebody retried the delivery by hand. */
  attempts_before: number
  trigger_id: string | null
  event_id: string
  block_time: Date
  action_type: 'telegram' | 'rest' | 'mcp'
  config: unknown
  trigger: { id: string; name: string; version: number } | null
  evidence: unknown
}

/** Parameters: how many at most. Run it in the transaction that adds the jobs. */
export const takeDueDeliveries = query<{ id: string; attempts: number; priority: number }>('deliver/take-due')

export const nextDue = query<{ due_in_ms: number | null }>('deliver/next-due')

/** Parameters: delivery id, worker id, lease in ms. No row: there is nothing to do, or somebody else does it. */
export const claimDelivery = query<ClaimedDelivery>('deliver/claim')

/** Parameters: event id, block time. */
export const readEvent = query<RegistryEvent>('deliver/read-event')

/**
 * Parameters: delivery id, worker id, attempts as claimed, new state, ms until due again, error, job id, attempt status,
 * when it began, duration in ms, response. `held` is false when the claim had been lost meanwhile.
 */
export const finishDelivery = query<{ held: boolean }>('deliver/finish')

/** Parameters: worker id, lease in ms, ids of the deliveries that it is at. */
export const extendLeases = query<never>('deliver/extend-leases')

/** Parameters: how long a job may wait, in ms, before it is added again. */
export const sweepDeliveries = query<{ lost: number; straggling: number }>('deliver/sweep')
