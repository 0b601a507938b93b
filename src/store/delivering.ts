import type { DeliveryKind, MatchKind } from '../delivery-scope.ts'
import type { RegistryEvent } from '../event.ts'
import { query } from './query.ts'

/** What a worker gets with its claim. What was deleted since the match is null. */
export type ClaimedDelivery = {
  id: string
  /** 1 for the first claim. */
  attempts: number
  /** How many of the attempts came before the present schedule: not 0 once somebody retried the delivery by hand. */
  attempts_before: number
  kind: DeliveryKind
  /** Of a retraction or a reinstatement: the delivery that it is about. */
  original_id: string | null
  /** Deliveries that go in one call share it: the id of the first of them. */
  batch_id: string | null
  /** For a test the event, for an alert what it says. */
  payload: Record<string, unknown> | null
  trigger_id: string | null
  event_id: string
  block_time: Date
  action_type: 'telegram' | 'rest' | 'mcp'
  action_id: number | null
  config: unknown
  live_trigger_id: string | null
  trigger_name: string | null
  trigger_version: number | null
  user_id: string | null
  match_kind: MatchKind | null
  evidence: unknown
  destination_id: number | null
  address: string | null
  /** Of the signing secrets of the destination. */
  secrets_revision: number | null
}

/** How an attempt ended, as it is recorded. */
export type EndedAttempt = {
  id: string
  /** As claimed. */
  attempts: number
  job_id: string
  state: 'succeeded' | 'failed' | 'cancelled' | 'pending'
  /** null: there was no attempt, a limit of ours held it back. */
  status: 'success' | 'failed' | 'retrying' | null
  due_in_ms: number
  error: string | null
  started_at: Date
  duration_ms: number
  response: Record<string, unknown>
  /** What the attempt says of the destination: it works, it fails, it is gone for good; or nothing. */
  signal: 'worked' | 'failed' | 'gone' | null
  /** How long the destination asked to be left alone. */
  pause_ms: number | null
}

/**
 * Parameters: how many destinations at most, the id of the destination after which to begin. Every row repeats how many destinations were looked at, and the last of them.
 */
export const takeDueDeliveries = query<{
  id: string
  enqueues: number
  priority: number
  destinations: number
  last_destination: number
}>('deliver/take-due')

/** Parameters: ids of deliveries that were taken, and whose jobs could not be added. */
export const putBackDeliveries = query<never>('deliver/put-back')

/** `crowded`: something is due and only waits for room at its destination. */
export const nextDue = query<{ due_in_ms: number | null; crowded: boolean }>('deliver/next-due')

/** Parameters: delivery ids, worker id, lease in ms. No row: there is nothing to do, or somebody else does it. */
export const claimDeliveries = query<ClaimedDelivery>('deliver/claim')

/** Parameters: event ids, block times in the same order. */
export const readEvents = query<RegistryEvent>('deliver/read-events')

/**
 * Parameters: worker id, {@link EndedAttempt}s, each with its `number` in the order in which they ended. A row for each of
 * them: `held` is false when the claim had been lost meanwhile.
 */
export const finishDeliveries = query<{ id: string; held: boolean }>('deliver/finish')

/** Parameters: worker id, lease in ms, ids of the deliveries that it is at. */
export const extendLeases = query<never>('deliver/extend-leases')

/** Who says to be running deliveries. */
export const listBusyWorkers = query<{ worker_id: string }>('deliver/list-busy-workers')

/** Parameters: ids of workers that are known to be dead. */
export const expireLeases = query<never>('deliver/expire-leases')

/** Parameters: how long a job may wait, in ms, before it is added again. */
export const sweepDeliveries = query<{
  lost: number
  straggling: number
  refused: number
  homeless: number
  ungrouped: number
}>('deliver/sweep')
