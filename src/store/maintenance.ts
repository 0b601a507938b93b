import { query } from './query.ts'

/** Makes the partitions of `events` for the next three months; does nothing on a hypertable. */
export const ensurePartitions = query<{ made: number }>('manage/ensure-partitions')
