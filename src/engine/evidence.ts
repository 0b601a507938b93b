import type { Condition } from '../conditions/check-conditions.ts'
import type { Seen, State } from '../conditions/compiled-trigger.ts'

/** Why a condition held, or did not: what was asked for, and what there was. Of a digest: what was held back. */
export type Evidence = Omit<Condition, 'condition_type'> & {
  /** The condition's place in the trigger; below 0 for the trigger's own limits. */
  position: number
  condition_type: Condition['condition_type'] | 'cooldown' | 'max_fires'
  /** What was compared with the value; `null` if the event has none. */
  seen: Seen
  holds: boolean
  /** Of a stateful condition: whose state, and the state before and after the event. */
  scope?: string
  state_before?: State | undefined
  state?: State | undefined
  held_back?: { count: number; first_at: string; last_at: string; events: readonly string[] }
}
