import type { State } from '../conditions/compiled-trigger.ts'
import type { Queryable } from '../db.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

/** What one condition remembers for one scope. Positions below 0 are the trigger's own. */
export type StateRow = {
  position: number
  scope: string
  state: State
  wake_at: Date | null
  updated_at: Date
}

/** What a limit of the trigger held back, over all scopes. `untold`: what no digest has told yet. */
export type HeldBack = { position: number; held_back: number; untold: number; scopes: number }

const selectState = query<StateRow & { page_key: string[] }>('manage/list-trigger-state')
const countHeld = query<HeldBack>('manage/count-held-back')

/** A page of what a generation of a trigger remembers, by position and scope. */
export async function listTriggerState(
  db: Queryable,
  { id, generation, scope }: { id: string; generation: number; scope: string | undefined },
  { after, limit }: PageRequest,
): Promise<Page<StateRow>> {
  return toPage(await selectState(db, [id, generation, scope, after?.[0], after?.[1], limit + 1]), limit)
}

export function countHeldBack(
  db: Queryable,
  { id, generation }: { id: string; generation: number },
): Promise<HeldBack[]> {
  return countHeld(db, [id, generation])
}
