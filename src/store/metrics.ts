import type { deliveryStates } from './deliveries-read.ts'
import type { DestinationRow } from './destinations.ts'
import { query } from './query.ts'

/** Those that are not `succeeded`. `overdue_seconds`: for how long the oldest pending one has been due. */
export const countDeliveries = query<{
  state: (typeof deliveryStates)[number]
  count: number
  overdue_seconds: number
}>('manage/count-deliveries')

/** Seconds from one stage to the next. `sent_seconds`: median, 95th percentile and longest of what was sent lately; null: nothing was. */
export const readLags = query<{
  chain_id: number
  unmatched_seconds: number
  sent_seconds: [number, number, number] | null
}>('manage/read-lags')

export const countFiles = query<{ waiting: number; active: number }>('manage/count-files')

/** `failure`: for good; `retried`: to be tried again. */
export const countAttempts = query<{
  action_type: string
  success: number
  failure: number
  retried: number
}>('manage/count-attempts')

export const countEvents = query<{ chain_id: number; event_type: string; count: number }>(
  'manage/count-events',
)

export const countConditions = query<{
  breakers: Partial<Record<DestinationRow['breaker'], number>>
  disabled_destinations: number
  alerts: { kind: string; chain_id: number | null; count: number }[]
  enabled_triggers: number
  retracted_events: number
  matches: number
}>('manage/count-conditions')
