import { query } from './query.ts'

/** What was found of a Ponder schema before a start. Only after `in use` Ponder must not be started. */
export type FoundSchema = 'new' | 'in use' | 'rebuilt' | 'resumed'

export type ChainCheckpoint = { chain_id: number; last_block_number: number; updated_at: Date }

/** Parameters: Ponder schema. */
export const preparePonderStart = query<{ found: FoundSchema }>('ingest/prepare-start')

/** Parameters: Ponder schema. */
export const isIngestAttached = query<{ attached: boolean }>('ingest/is-attached')

/** Parameters: chain ids. */
export const readCheckpoints = query<ChainCheckpoint>('ingest/read-checkpoints')

/** Parameters: chain ids. No row for a chain without finalized events. */
export const readNewestFinalizedEvents = query<{
  chain_id: number
  block_number: number
  block_hash: string
}>('ingest/newest-finalized-events')
