import type { Database } from '../db.ts'
import { query } from './query.ts'

export type Stats = {
  events: { chain_id: number; registry: string; event_type: string; count: number }[]
  hours: { hour: Date; count: number }[]
  actions: {
    hour: Date
    action_type: string
    count: number
    success: number
    failure: number
    avg_duration_ms: number
    p95_duration_ms: number
  }[]
}

const selectEvents = query<Stats['events'][number]>('manage/read-event-stats')
const selectHours = query<Stats['hours'][number]>('manage/read-hour-stats')
const selectActions = query<Stats['actions'][number]>('manage/read-action-stats')

/** What happened in whole hours of UTC, from `since` on and before `until`. All of it is of one moment. */
export function readStats(
  db: Database,
  { chain_id, since, until }: { chain_id: number | undefined; since: Date; until: Date },
): Promise<Stats> {
  return db.begin('isolation level repeatable read read only', async (tx) => ({
    events: await selectEvents(tx, [chain_id, since, until]),
    hours: await selectHours(tx, [chain_id, since, until]),
    actions: await selectActions(tx, [since, until]),
  }))
}
