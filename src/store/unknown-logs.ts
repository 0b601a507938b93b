import { query } from './query.ts'

/** A log of a registry that is no event. Numbers are those of its chain; hex is lower case. */
export type UnknownLog = {
  id: string
  block_number: number
  block_hash: string
  transaction_hash: string
  transaction_index: number
  log_index: number
  contract_address: string
  topics: readonly string[]
  data: string
}

/** Parameters: chain id. No row before the chain has a checkpoint. */
export const readUnknownLogScan = query<{ last_block: number | null; finalized_block: number }>(
  'ingest/read-unknown-log-scan',
)

/** Parameters: chain id, first block, last block, all logs of the registries in these blocks. */
export const keepUnknownLogs = query<{ kept: number }>('ingest/keep-unknown-logs')

/** Parameters: chain id. */
export const dropKnownLogs = query<never>('ingest/drop-known-logs')

export const countUnknownLogs = query<{
  chain_id: number
  contract_address: string
  logs: number
  newest_block: number
  topics: string[]
}>('manage/count-unknown-logs')
