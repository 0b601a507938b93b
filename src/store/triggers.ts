import type { TriggerRow } from '../conditions/compile-trigger.ts'
import type { Queryable } from '../db.ts'
import { query } from './query.ts'

const selectEnabledTriggers = query<TriggerRow>('manage/read-enabled-triggers')

/** All enabled triggers of a chain with their conditions in order: what a matcher compiles. */
export function readEnabledTriggers(db: Queryable, chainId: number): Promise<TriggerRow[]> {
  return selectEnabledTriggers(db, [chainId])
}
