import { query } from './query.ts'

/** How many rows there are at each stage, and how far each stage has come; null where a stage has not begun. */
export type StageCounts = {
  events: number
  matches: number
  deliveries: number
  succeeded: number
  failed: number
  open: number
  results: number
  indexed_block: number | null
  matched_block: number | null
}

/** Parameters: chain id. Deliveries and results are counted over all chains. */
export const countStages = query<StageCounts>('manage/count-stages')
