import { query } from './query.ts'

/** What the tables say of a chain at `now`. Null: not known, or not there yet. */
export type ChainProgressRow = {
  chain_id: number
  start_block: number | null
  head_block: number | null
  head_time: Date | null
  /** When its endpoint last answered, and when the indexer last looked. */
  answered_at: Date | null
  looked_at: Date | null
  /** How far Ponder has read: behind `last_block` while known history is read again. */
  read_block: number | null
  /** How fast that moved in the last minute. */
  blocks_per_second: number | null
  /** Since when blocks have come without it getting further. */
  waiting_since: Date | null
  last_block: number | null
  last_block_time: Date | null
  finalized_block: number | null
  /** The block of the last event that was matched. */
  matched_block: number | null
  /** The kinds of its open alerts. */
  alerts: string[]
  now: Date
}

/** One look at a chain. Without `head_block` its endpoint did not answer. Times as ISO text. */
export type SeenHead = {
  chain_id: number
  start_block: number
  head_block?: number
  head_hash?: string
  head_time?: string
  answered: boolean
  read_block: number | null
  blocks_per_second: number | null
  waiting_since: string | null
}

/** `chain_stuck`: its head moves and our checkpoint does not. `deep_reorg`: a block that was final is another one now. */
export type ChainAlertKind = 'chain_stuck' | 'deep_reorg'

/** An open alert about a chain. */
export type ChainAlert = {
  id: number
  kind: ChainAlertKind
  chain_id: number
  message: string
  detail: Record<string, unknown> | null
  created_at: Date
}

export const readChainProgress = query<ChainProgressRow>('manage/read-chain-progress')

/** Parameters: chain ids, Ponder schema. */
export const readPositions = query<{
  chain_id: number
  finalized_block: number | null
  last_block: number | null
  read_block: number | null
}>('ingest/read-positions')

/** Parameter: {@link SeenHead} objects. */
export const writeHeads = query<never>('ingest/write-heads')

/** Parameters: chain id, block number, hash. A hash that is known already stays. */
export const keepFinalBlock = query<{ kept: number }>('ingest/keep-final-block')

/** Parameter: chain id. The newest first. */
export const readFinalBlocks = query<{ block_number: number; block_hash: string }>('ingest/read-final-blocks')

/** Parameters: kind, chain id, message, detail. No row: one of that kind is open already. */
export const raiseChainAlert = query<{ id: number }>('ingest/raise-chain-alert')

/** Parameters: kind, chain id. No row: none was open. */
export const resolveChainAlert = query<{ id: number }>('ingest/resolve-chain-alert')

export const readChainAlerts = query<ChainAlert>('ingest/read-chain-alerts')
