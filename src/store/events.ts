import { knownChains } from '../chains.ts'
import type { Queryable } from '../db.ts'
import type { EventType, Registry, RegistryEvent } from '../event.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

/** An event, and whether the block it was in has left the chain. */
export type ListedEvent = RegistryEvent & { retracted: boolean }

export type EventFilter = {
  chain_id?: number | undefined
  registry?: Registry | undefined
  event_type?: EventType | undefined
  agent_id?: string | undefined
}

type Row = ListedEvent & { page_key: string[] }

const selectEvents = query<Row>('manage/list-events')
const selectEventsOfAgent = query<Row>('manage/list-events-of-agent')

/** A page of events, the last to arrive first. Retracted ones are among them, and say so. */
export async function listEvents(
  db: Queryable,
  filter: EventFilter,
  { after, limit }: PageRequest,
): Promise<Page<ListedEvent>> {
  const chainIds = filter.chain_id === undefined ? knownChains.map(({ id }) => id) : [filter.chain_id]
  const parameters = [chainIds.map(String), filter.registry, filter.event_type, after?.[0], limit + 1]
  const rows =
    filter.agent_id === undefined
      ? await selectEvents(db, parameters)
      : await selectEventsOfAgent(db, [...parameters, filter.agent_id])
  return toPage(rows, limit)
}
