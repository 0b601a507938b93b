import type { Queryable } from '../db.ts'
import type { RegistryEvent } from '../event.ts'
import { query } from './query.ts'

const selectEvent = query<RegistryEvent>('manage/read-event')

/** `undefined`: there is no such event. */
export async function readEvent(db: Queryable, id: string): Promise<RegistryEvent | undefined> {
  const [event] = await selectEvent(db, [id])
  return event
}

/**
 * Makes one delivery of kind `test` for each of the trigger's actions, or for those with the given ids. They go the whole way
 * that others go, also if the trigger is disabled. Parameters: trigger id, action ids (null: all), payload (the
 * `event`, and as `evidence` what the trigger's conditions see in it), occurrence (new for every test: an action is run once for each).
 */
export const insertTestDeliveries = query<{ id: string; action_id: number }>('manage/insert-test-deliveries')
