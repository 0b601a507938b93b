import type { Queryable } from '../db.ts'
import type { Position } from '../engine/replay.ts'
import type { RegistryEvent } from '../event.ts'
import type { MatchRow } from './deliveries-read.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

export type StoredMatch = MatchRow & { generation: number }

/** Where the present generation of a trigger began, and how far its events are decided. */
export type TriggerStanding = {
  /** `undefined`: the matcher has not seen this generation. What had arrived (`seq`) at or before it was not its own. */
  start: (Position & { seq: number }) | undefined
  /** `undefined`: nothing is decided. */
  reached: Position | undefined
  /** It reads history or waits for a file, while its chain has gone on. */
  isBehind: boolean
}

export type EventStanding = { is_retracted: boolean; is_legacy: boolean; arrived_at: Date }

export type UndecidedRow = {
  id: number
  trigger_id: string
  trigger_version: number
  chain_id: number
  event_id: string
  block_number: number
  block_time: Date
  reason: string
  created_at: Date
}

type StartRow = Record<
  'start_block' | 'start_log' | 'start_seq' | 'behind_block' | 'behind_log' | 'block_number' | 'log_index',
  number | null
>

const selectStart = query<StartRow>('manage/read-trigger-start')
const selectEventStanding = query<EventStanding>('manage/read-event-standing')
const selectMatches = query<StoredMatch>('manage/read-matches-of-event')
const selectUndecided = query<UndecidedRow & { page_key: string[] }>('manage/list-undecided')

export async function readTriggerStanding(db: Queryable, triggerId: string): Promise<TriggerStanding> {
  const [row] = await selectStart(db, [triggerId])
  const start = positionOf(row?.start_block, row?.start_log)
  const behind = positionOf(row?.behind_block, row?.behind_log)
  const cursor = positionOf(row?.block_number, row?.log_index)
  return {
    start: start && { ...start, seq: row?.start_seq ?? 0 },
    reached: behind ?? cursor,
    isBehind: behind !== undefined,
  }
}

export async function readEventStanding(db: Queryable, eventId: string): Promise<EventStanding | undefined> {
  const [row] = await selectEventStanding(db, [eventId])
  return row
}

/** What a trigger has stored about an event, also if it was another version of the trigger, or another block with the same transaction. */
export function readMatchesOf(
  db: Queryable,
  triggerId: string,
  { id, occurrence }: RegistryEvent,
): Promise<StoredMatch[]> {
  return selectMatches(db, [triggerId, id, occurrence])
}

/** A page of the events about which a trigger could not decide, the newest first. */
export async function listUndecided(
  db: Queryable,
  triggerId: string,
  { after, limit }: PageRequest,
): Promise<Page<UndecidedRow>> {
  return toPage(await selectUndecided(db, [triggerId, after?.[0], limit + 1]), limit)
}

function positionOf(block: number | null | undefined, log: number | null | undefined): Position | undefined {
  return typeof block === 'number' && typeof log === 'number'
    ? { block_number: block, log_index: log }
    : undefined
}
