import type { RegistryEvent } from '../event.ts'
import { query } from './query.ts'

/** A position on a chain: everything up to and including this log of this block. */
export type Position = { block_number: number; log_index: number }

/** Where a matcher stands on a chain, and what there is beyond. */
export type MatcherPosition = Position & {
  locked: boolean
  last_block_number: number
  /** Now. */
  finalized_block_number: number
  /** When the position was reached. */
  matched_finalized_block: number
  event_seq: number
  status_id: number
  newest_event_seq: number
  newest_status_id: number
  trigger_revision: number
}

/** A decision that a trigger fires, before it is stored. */
export type NewMatch = {
  trigger_id: string
  trigger_version: number
  chain_id: number
  occurrence: string
  event_id: string
  block_number: number
  block_time: Date
  evidence: unknown
}

/** Parameters: chain id. No row: nothing of the chain has been indexed. */
export const readPosition = query<MatcherPosition>('match/read-position')

/** Parameters: chain id, seq and status seen, block and log of the position, finalized block when it was reached. */
export const firstLateBlock = query<{ block_number: number | null }>('match/first-late-block')

/** Parameters: chain id, block and log of the position, last complete block, oldest block time of interest, how many at most. */
export const readEvents = query<RegistryEvent>('match/read-events')

/** Parameters: an array of {@link NewMatch}. Returns how many matches and deliveries were new. */
export const insertMatches = query<{ matches: number; deliveries: number }>('match/insert-matches')

/** Parameters: chain id, block and log of the position, seq and status seen, finalized block. */
export const writeCursor = query<never>('match/write-cursor')

export const listChains = query<{ chain_id: number }>('match/list-chains')
