import type { Queryable } from '../db.ts'
import type { MatchKind } from '../delivery-scope.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

export const deliveryStates = [
  'pending',
  'enqueued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'unknown',
] as const

/** Why there is a delivery: a trigger fired, its owner tests it, or its owner has to hear about its other actions. */
export const deliveryKinds = ['match', 'test', 'alert', 'retraction', 'reinstatement'] as const

export const resultStatuses = ['success', 'failed', 'retrying'] as const

type ActionType = 'telegram' | 'rest' | 'mcp'

export type MatchRow = {
  id: number
  trigger_id: string | null
  trigger_version: number
  chain_id: number
  occurrence: string
  event_id: string
  block_number: number
  block_time: Date
  evidence: unknown
  kind: MatchKind
  status: 'standing' | 'retracted'
  /** How often it was retracted. */
  retractions: number
  /** What it was decided by before a fork changed that, the oldest first. */
  history: unknown
  created_at: Date
}

export type DeliveryRow = {
  id: string
  kind: (typeof deliveryKinds)[number]
  /** null if its kind is `test` or `alert` */
  match_id: number | null
  trigger_id: string | null
  action_id: number | null
  occurrence: string
  event_id: string
  block_time: Date
  action_type: ActionType
  /** Host, and port unless it is the default, of the action's URL as it is now; null: there is no such action or URL. */
  destination: string | null
  priority: number
  state: (typeof deliveryStates)[number]
  attempts: number
  /** null: it waits for a block. */
  due_at: Date | null
  /** Whether it waits for a block to be there (`head`) or to be final, and for which. */
  waits_on: 'head' | 'finalized' | null
  waits_for: number | null
  /** Of a retraction or a reinstatement: the delivery that it is about. */
  original_id: string | null
  enqueued_at: Date | null
  started_at: Date | null
  finished_at: Date | null
  error_message: string | null
  created_at: Date
  updated_at: Date
}

/** What a list of deliveries can be narrowed to. `since`: ended since then, or made since then if it has not ended. */
export type DeliveryFilter = {
  /** Whose; not given: anybody's. */
  user_id?: string | undefined
  trigger_id?: string | undefined
  state?: DeliveryRow['state'] | undefined
  destination?: string | undefined
  since?: Date | undefined
  kind?: DeliveryRow['kind'] | undefined
}

/** One attempt at a delivery. */
export type ResultRow = {
  id: string
  delivery_id: string
  job_id: string
  trigger_id: string | null
  event_id: string
  action_type: ActionType
  status: (typeof resultStatuses)[number]
  executed_at: Date
  duration_ms: number
  error_message: string | null
  response_data: unknown
  /** 0 for the first attempt. */
  retry_count: number
}

type Keyed<Row> = Row & { page_key: string[] }

const selectMatches = query<Keyed<MatchRow>>('manage/list-matches')
const selectDeliveries = query<Keyed<DeliveryRow>>('manage/list-deliveries')
const selectDelivery = query<DeliveryRow>('manage/read-delivery')
const selectResults = query<Keyed<ResultRow>>('manage/list-results')
const selectResultsOfDelivery = query<ResultRow>('manage/read-results-of-delivery')

/** A page of matches, the newest first. */
export async function listMatches(
  db: Queryable,
  filter: { user_id?: string | undefined; trigger_id?: string | undefined },
  { after, limit }: PageRequest,
): Promise<Page<MatchRow>> {
  return toPage(await selectMatches(db, [filter.trigger_id, after?.[0], limit + 1, filter.user_id]), limit)
}

/** A page of deliveries, the newest first. */
export async function listDeliveries(
  db: Queryable,
  filter: DeliveryFilter,
  { after, limit }: PageRequest,
): Promise<Page<DeliveryRow>> {
  const rows = await selectDeliveries(db, [
    filter.trigger_id,
    filter.state,
    filter.destination,
    filter.since,
    after?.[0],
    after?.[1],
    limit + 1,
    filter.kind,
    filter.user_id,
  ])
  return toPage(rows, limit)
}

/** One delivery with every attempt at it, in order. @param userId whose it has to be; not given: anybody's. */
export async function readDelivery(
  db: Queryable,
  id: string,
  userId?: string,
): Promise<(DeliveryRow & { results: ResultRow[] }) | undefined> {
  const [delivery] = await selectDelivery(db, [id, userId])
  return delivery && { ...delivery, results: await selectResultsOfDelivery(db, [id]) }
}

/** A page of attempts, the newest first. */
export async function listResults(
  db: Queryable,
  filter: {
    user_id?: string | undefined
    delivery_id?: string | undefined
    trigger_id?: string | undefined
    status?: ResultRow['status'] | undefined
  },
  { after, limit }: PageRequest,
): Promise<Page<ResultRow>> {
  const rows = await selectResults(db, [
    filter.delivery_id,
    filter.trigger_id,
    filter.status,
    after?.[0],
    after?.[1],
    limit + 1,
    filter.user_id,
  ])
  return toPage(rows, limit)
}
