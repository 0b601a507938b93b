import type { RegistryEvent } from '../event.ts'
import type { Condition } from './check-conditions.ts'
import type { CompiledTrigger, Seen } from './compiled-trigger.ts'
import { EvaluationError } from './evaluation-error.ts'

/** Why a condition held, or did not: what was asked for and what the event had. */
export type Evidence = Condition & {
  position: number
  /** What the event has in the field; `null` if its type does not fill it. */
  seen: Seen
  holds: boolean
}

/**
 * Decides about an event by a trigger's stateless conditions alone: all of them hold, and the event is of its chain and registry. An
 * expression that cannot be evaluated does not hold.
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
    trigger.conditions.every((condition) => holds(condition, event))
  return { fires, evidence: fires || options.explain ? explain(trigger, event) : [] }
}

type StatelessCondition = CompiledTrigger['conditions'][number]

function explain(trigger: CompiledTrigger, event: RegistryEvent): Evidence[] {
  return trigger.conditions
    .map((condition): Evidence => {
      const { position, condition_type, field, operator, value, config } = condition
      const seen = condition.seen(event)
      return {
        position,
        condition_type,
        field,
        operator,
        value,
        config,
        seen,
        holds: holds(condition, event),
      }
    })
    .sort((a, b) => a.position - b.position)
}

function holds(condition: StatelessCondition, event: RegistryEvent): boolean {
  try {
    return condition.holds(event)
  } catch (error) {
    if (error instanceof EvaluationError) return false
    throw error
  }
}
