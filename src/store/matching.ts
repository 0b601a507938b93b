import type { State } from '../conditions/compiled-trigger.ts'
import type { MatchKind } from '../delivery-scope.ts'
import type { RegistryEvent } from '../event.ts'
import { query } from './query.ts'

/** A position on a chain: everything up to and including this log of this block. */
export type Position = { block_number: number; log_index: number }

/** Where a matcher stands on a chain, and what there is beyond. */
export type MatcherPosition = Position & {
  locked: boolean
  last_block_number: number
  /** `null`: Ponder reads again what is known. */
  last_block_time: Date | null
  /** Now. */
  finalized_block_number: number
  /** When the position was reached. */
  matched_finalized_block: number
  event_seq: number
  status_id: number
  /** The latest time that any deadline was compared with. */
  clock: Date | null
  /** Counts the steps that changed anything. */
  step: number
  newest_event_seq: number
  newest_status_id: number
  trigger_revision: number
  /** Matches wait for the fold to come to them again. */
  has_questions: boolean
}

/** A decision that a trigger fires, before it is stored. */
export type NewMatch = {
  trigger_id: string
  trigger_version: number
  generation: number
  kind: MatchKind
  chain_id: number
  occurrence: string
  event_id: string
  block_number: number
  block_time: Date
  evidence: unknown
}

/** A state as it is stored. `null`: there is none (any more). */
export type SlotRow = {
  trigger_id: string
  generation: number
  position: number
  scope: string
  state: State | null
  wake_at: Date | null
}

/** Where a trigger began, and where it is if it does not go with its chain. */
export type ProgressRow = {
  trigger_id: string
  generation: number
  start_block: number
  start_log: number
  start_seq: number
  block_number: number | null
  log_index: number | null
}

/** Parameters: chain id. No row: nothing of the chain has been indexed. */
export const readPosition = query<MatcherPosition>('match/read-position')

/** Parameters: chain id, seq and status seen, block and log of the position, finalized block when it was reached. */
export const firstLateBlock = query<{ block_number: number | null }>('match/first-late-block')

/** Parameters: chain id, block and log of the position, last complete block, oldest block time of interest, how many at most. */
export const readEvents = query<RegistryEvent>('match/read-events')

/** Parameters: as of {@link readEvents}; then registry, event types, agents (null: all). Planned for each trigger: they differ a lot. */
export const readEventsOfTrigger = query<RegistryEvent>('match/read-events-of-trigger', { prepare: false })

/** Parameters: chain id, block. Everything as it was at the end of that block. */
export const goBack = query<{ undone: number; restored: number; questioned: number; moved: number }>(
  'match/go-back',
)

/** Parameters: triggers, generations, positions, scopes. */
export const readSlots = query<SlotRow>('match/read-slots')

/** Parameters: chain id, clock, trigger (null: those that go with the chain), how many. */
export const readDueSlots = query<SlotRow & { state: State; wake_at: Date }>('match/read-due-slots')

/** Parameters: chain id, {@link SlotRow}s, the same with `block_number` for the journal, last final block. */
export const writeSlots = query<never>('match/write-slots')

/**
 * Parameters: an array of {@link NewMatch}, last block, last final block. Returns how many matches and deliveries were new, and the ids of
 * those that were stored before, which are to be confirmed.
 */
export const insertMatches = query<{ matches: number; deliveries: number; confirmed: number[] }>(
  'match/insert-matches',
)

/** Parameters: ids of matches, last block, last final block. */
export const confirmMatches = query<{ reinstated: number; told: number }>('match/confirm-matches')

/** Parameters: chain id, block. Ends the matches in question up to that block. */
export const settleMatches = query<{ retracted: number; cancelled: number; told: number }>(
  'match/settle-matches',
)

/** Parameters: chain id, last block, last final block. */
export const releaseDeliveries = query<{ released: number }>('match/release-deliveries')

/** Parameters: chain id, revision. */
export const readTriggerChanges = query<{ trigger_id: string }>('match/read-trigger-changes')

/** Parameters: chain id, triggers. */
export const readProgress = query<ProgressRow>('match/read-progress')

/** Parameters: chain id. Where those are that do not go with their chain. */
export const readBehind = query<Position & { trigger_id: string; generation: number }>('match/read-behind')

/** Parameters: chain id, {@link ProgressRow}s. */
export const writeProgress = query<never>('match/write-progress')

/** Parameters: rows of `undecided_events`. */
export const insertUndecided = query<never>('match/insert-undecided')

/** Parameters: `{trigger_id, version, reason}[]`. */
export const pauseTriggers = query<{ paused: number; alerts: number }>('match/pause-triggers')

/** Parameters: chain id, block and log of the position, seq and status seen, finalized block, clock, number of the step. */
export const writeCursor = query<never>('match/write-cursor')

export const listChains = query<{ chain_id: number }>('match/list-chains')
