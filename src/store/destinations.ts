import type { Database, Queryable, Transaction } from '../db.ts'
import { asDatabase } from './as-database.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

export const actionTypes = ['telegram', 'rest', 'mcp'] as const

export const breakerStates = ['closed', 'open', 'half_open'] as const

/** Where deliveries of one user go, and how it is. */
export type DestinationRow = {
  id: number
  action_type: (typeof actionTypes)[number]
  /** A URL without its query, or a Telegram chat. */
  address: string
  /** Of a URL: its host, and port unless it is the default. */
  host: string | null
  breaker: (typeof breakerStates)[number]
  failures: number
  times_opened: number
  opened_at: Date | null
  probe_at: Date | null
  last_error: string | null
  in_flight_max: number
  per_second_max: number | null
  disabled_at: Date | null
  disabled_reason: string | null
  /** Those that sign now, the newest first; only it has no end. Times as ISO text. */
  signing_secrets: { created_at: string; expires_at: string | null }[]
  created_at: Date
  updated_at: Date
}

export type AlertRow = {
  id: number
  kind: string
  /** Null: it is not about a chain, but the user's own. */
  chain_id: number | null
  destination_id: number | null
  message: string
  created_at: Date
  resolved_at: Date | null
}

export type DestinationFilter = {
  action_type?: DestinationRow['action_type'] | undefined
  breaker?: DestinationRow['breaker'] | undefined
  disabled?: boolean | undefined
}

/** Not given: as before. `per_second_max` null: any number. */
export type DestinationLimits = {
  in_flight_max?: number | undefined
  per_second_max?: number | null | undefined
}

const selectDestinations = query<DestinationRow & { page_key: string[] }>('manage/list-destinations')
const selectDestination = query<DestinationRow>('manage/read-destination')
const setLimits = query<{ id: number }>('manage/limit-destination')
const setClosed = query<{ id: number; resolved: number }>('manage/reset-destination')
const lockDestination = query<{ id: number }>('manage/lock-destination')
const selectAlerts = query<AlertRow & { page_key: string[] }>('manage/list-alerts')

/** A page of destinations, the newest first. @param userId whose; `undefined`: anybody's. */
export async function listDestinations(
  db: Queryable,
  userId: string | undefined,
  filter: DestinationFilter,
  { after, limit }: PageRequest,
): Promise<Page<DestinationRow>> {
  const { action_type, breaker, disabled } = filter
  const rows = await selectDestinations(db, [userId, action_type, breaker, disabled, after?.[0], limit + 1])
  return toPage(rows, limit)
}

export async function readDestination(
  db: Queryable,
  userId: string | undefined,
  id: number,
): Promise<DestinationRow | undefined> {
  const [row] = await selectDestination(db, [String(id), userId])
  return row
}

/**
 * Changes a destination, if it is as `guard` wants it: that looks at it once nobody else can change it, and what it throws undoes
 * everything. Without a guard the change is simply made.
 */
export function changeDestination<Result>(
  db: Database,
  { id, userId, guard }: { id: number; userId: string; guard: ((row: DestinationRow) => void) | undefined },
  change: (db: Database) => Promise<Result | undefined>,
): Promise<Result | undefined> {
  if (guard === undefined) return change(db)
  const changeHeld = async (transaction: Transaction) => {
    await lockDestination(transaction, [String(id), userId])
    const row = await readDestination(transaction, userId, id)
    if (row === undefined) return undefined
    guard(row)
    return change(asDatabase(transaction))
  }
  return db.begin(changeHeld) as Promise<Result | undefined>
}

/** Changes how many deliveries may be in flight, and begin in a second. `undefined`: there is no such destination. */
export async function limitDestination(
  db: Queryable,
  userId: string | undefined,
  id: number,
  { in_flight_max, per_second_max }: DestinationLimits,
): Promise<DestinationRow | undefined> {
  const given = per_second_max !== undefined
  const [changed] = await setLimits(db, [String(id), userId, in_flight_max, given, per_second_max])
  return changed && readDestination(db, userId, id)
}

/**
 * Closes the breaker of a destination, enables it if it was disabled, and resolves its alerts. What waits for it is due at
 * once; what has failed stays so, until it is retried. `undefined`: there is no such destination.
 */
export async function resetDestination(
  db: Queryable,
  userId: string | undefined,
  id: number,
): Promise<DestinationRow | undefined> {
  const [changed] = await setClosed(db, [String(id), userId])
  return changed && readDestination(db, userId, id)
}

/** A page of what a user has to know, their own alerts and those about chains, the newest first. */
export async function listAlerts(
  db: Queryable,
  userId: string,
  filter: { open?: boolean | undefined },
  { after, limit }: PageRequest,
): Promise<Page<AlertRow>> {
  return toPage(await selectAlerts(db, [userId, filter.open, after?.[0], after?.[1], limit + 1]), limit)
}
