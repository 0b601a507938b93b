import { knownChains } from '../chains.ts'
import type { Queryable } from '../db.ts'
import { type EventType, eventFields, eventTypes, type Registry, type RegistryEvent } from '../event.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

/** An event, and whether the block it was in has left the chain. */
export type ListedEvent = RegistryEvent & { retracted: boolean }

/** A type that each registry emits, when its code is replaced. */
export const sharedType = 'Upgraded'

export type EventFilter = {
  chain_id?: number | undefined
  registry?: Registry | undefined
  event_type?: EventType | typeof sharedType | undefined
  agent_id?: string | undefined
  client_address?: string | undefined
  validator_address?: string | undefined
  /** The first tag of a feedback, or the tag of a validation response. */
  tag?: string | undefined
  tag2?: string | undefined
  /** Decimals; both bounds belong to the range. */
  score_min?: string | undefined
  score_max?: string | undefined
  /** Of the block: from `since` on, before `until`. */
  since?: Date | undefined
  until?: Date | undefined
  /** Both bounds belong to the range. Only with `chain_id`. */
  from_block?: number | undefined
  to_block?: number | undefined
  /** `canonical` unless given: without retracted events. */
  status?: 'canonical' | 'all' | undefined
}

type Row = ListedEvent & { page_key: string[] }

const selectEvents = query<Row>('manage/list-events', { prepare: false })
const selectBlockTimes = query<{ first: Date | null; last: Date | null }>('manage/read-block-times')

/** Blocks that compete for one height, or follow each other on different forks, are not further apart than this. */
const forkMs = 60 * 60 * 1000

/** A page of events, the newest first: see sql/manage/list-events.sql for the order. */
export async function listEvents(
  db: Queryable,
  filter: EventFilter,
  { after, limit }: PageRequest,
): Promise<Page<ListedEvent>> {
  const times = await readTimes(db, filter)
  const types = typesOf(filter)
  if (times === undefined || types?.length === 0) return { rows: [], next: undefined }

  const chainIds = filter.chain_id === undefined ? knownChains.map(({ id }) => id) : [filter.chain_id]
  const { agent_id, client_address, validator_address, tag, tag2, score_min, score_max } = filter
  const narrow = [agent_id, client_address, validator_address, tag, tag2, score_min, score_max]
  // Where one of these has an index, the types are only looked at on the way.
  const alongTypes = narrow.every((value) => value === undefined)
  const rows = await selectEvents(db, [
    chainIds.map(String),
    alongTypes ? (types ?? []) : [],
    alongTypes ? undefined : types,
    ...narrow,
    times.since,
    times.until,
    filter.from_block,
    filter.to_block,
    filter.status === 'all',
    ...(after ?? Array.from({ length: 5 }, () => undefined)),
    limit + 1,
    filter.registry,
  ])
  return toPage(rows, limit)
}

/** All pages from a place on, one after the other: nothing is held in the database while the reader takes its time. */
export async function* readEvents(
  db: Queryable,
  filter: EventFilter,
  { after, limit }: PageRequest,
): AsyncGenerator<ListedEvent[], void, undefined> {
  let from = after
  do {
    const { rows, next } = await listEvents(db, filter, { after: from, limit })
    yield rows
    from = next
  } while (from !== undefined)
}

/** The types that can pass the filter; `undefined`: all. */
function typesOf({ registry, event_type, score_min, score_max }: EventFilter): readonly string[] | undefined {
  const wanted: (readonly string[])[] = []
  if (event_type !== undefined) wanted.push([event_type])
  if (registry !== undefined) wanted.push([...eventTypes[registry], sharedType])
  if (score_min !== undefined || score_max !== undefined) wanted.push(eventFields.score.of)
  return wanted.length === 0
    ? undefined
    : wanted.reduce((left, right) => left.filter((type) => right.includes(type)))
}

/**
 * The times to look in. Pages go along time: without bounds of it, a page of blocks long past would begin at the newest event.
 * `undefined`: no event lies in the range of blocks.
 */
async function readTimes(
  db: Queryable,
  { chain_id, since, until, from_block, to_block }: EventFilter,
): Promise<{ since: Date | undefined; until: Date | undefined } | undefined> {
  if (chain_id === undefined || (from_block === undefined && to_block === undefined)) return { since, until }
  const [times] = await selectBlockTimes(db, [chain_id, from_block ?? 0, to_block ?? Number.MAX_SAFE_INTEGER])
  if (!times?.first || !times.last) return undefined
  const first = new Date(times.first.getTime() - forkMs)
  const last = new Date(times.last.getTime() + forkMs)
  return {
    since: since !== undefined && since > first ? since : first,
    until: until !== undefined && until < last ? until : last,
  }
}
