import { query } from './query.ts'

/** Whether it is this process's turn, in a transaction: the answer holds until its end. */
export const takeTurn = query<{ mine: boolean }>('maintain/take-turn')

/**
 * Makes the partitions of `events` for the next three months and moves rows into them that came before; does nothing on a hypertable.
 * Parameter: for how many days events are kept (null: for ever).
 */
export const ensurePartitions = query<{ made: number }>('maintain/ensure-partitions')

/** Parameter: for how many days events are kept (null: for ever). The answer names the partitions that were dropped. */
export const applyEventsRetention = query<{ dropped: string[] }>('maintain/apply-events-retention')

/** Brings the counts of single inserts together; what `events_hourly` says does not change by it. */
export const foldEventCounts = query<{ folded: number }>('maintain/fold-event-counts')

/** Brings `action_metrics_hourly` up to date. Only in one's turn. */
export const refreshActionMetrics = query<{ hours: number }>('maintain/refresh-action-metrics')

/** One batch. Parameters: for how many days results are kept, how many to delete at most. */
export const cleanupActionResults = query<{ deleted: number }>('maintain/cleanup-action-results')

/** One batch of what no matcher looks at any more. Parameters: how many at most, for how many days undecided events are kept. */
export const forgetOldState = query<{ deleted: number; more: boolean }>('maintain/forget-old-state')

/** One batch. Parameters: for how many days verdicts on files are kept, how many to delete at most. */
export const cleanupEventFiles = query<{ deleted: number }>('maintain/cleanup-event-files')

/** One batch of answers to requests with an Idempotency-Key, a day old. Parameter: how many to delete at most. */
export const forgetIdempotencyKeys = query<{ deleted: number }>('maintain/forget-idempotency-keys')

/** One batch. Parameters: for how many days changes are kept for streams that resume, how many to delete at most. */
export const keepStream = query<{ deleted: number }>('maintain/keep-stream')

/** One batch. Parameters: for how many days the audit log is kept (0: for ever), how many to delete at most. */
export const forgetAudit = query<{ deleted: number }>('maintain/forget-audit')
