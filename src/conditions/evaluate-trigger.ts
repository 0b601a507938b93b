import type { RegistryEvent } from '../event.ts'
import type { Condition } from './check-conditions.ts'
import { type CompiledTrigger, readField } from './compile-trigger.ts'

/** Why a condition held, or did not: what was asked for and what the event had. */
export type Evidence = Condition & {
  position: number
  /** What the event has in the field; `null` if its type does not fill it. */
  seen: string | number | null
  holds: boolean
}

/**
 * Decides whether a trigger fires for an event: all of its conditions hold, and the event is of its chain and registry.
 *
 * @param options.explain Gather the evidence of a trigger that does not fire, too. Without it that is an empty list, because
 *   almost every question is answered with no.
 */
export function evaluateTrigger(
  trigger: CompiledTrigger,
  event: RegistryEvent,
  options: { explain?: boolean } = {},
): { fires: boolean; evidence: Evidence[] } {
  const fires =
    trigger.chain_id === event.chain_id &&
    trigger.registry === event.registry &&
    trigger.conditions.every(({ field, test }) => test(readField(event, field)))
  return { fires, evidence: fires || options.explain ? explain(trigger, event) : [] }
}

function explain(trigger: CompiledTrigger, event: RegistryEvent): Evidence[] {
  return trigger.conditions.map(({ position, condition_type, field, operator, value, test }) => {
    const seen = readField(event, field)
    return { position, condition_type, field, operator, value, seen, holds: test(seen) }
  })
}
