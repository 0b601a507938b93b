import type { CompiledTrigger } from '../conditions/compiled-trigger.ts'
import { EvaluationError } from '../conditions/evaluation-error.ts'
import type { RegistryEvent } from '../event.ts'
import { type Hit, mayFireFor } from './fold.ts'

/** Notes how often in a row a trigger could not decide, by its id. */
export type ErrorCounts = Map<string, number>

/**
 * The candidates whose stateless conditions hold for an event, and those about which they cannot decide. History is passed over,
 * unless the trigger builds its state from it.
 *
 * @param errors is changed: one more for each trigger that could not decide, none for each that could.
 */
export function selectHits(
  event: RegistryEvent,
  candidates: Iterable<CompiledTrigger>,
  errors: ErrorCounts,
): Hit[] {
  const hits: Hit[] = []
  for (const trigger of candidates) {
    const mayFire = mayFireFor(trigger, event)
    if (!mayFire && !trigger.warm_up) continue
    if (trigger.chain_id !== event.chain_id || trigger.registry !== event.registry) continue
    try {
      const failing = trigger.conditions.find((condition) => !condition.holds(event))
      // Only an expression can fail to decide, and they come last: this one was asked.
      if (errors.size > 0 && (failing === undefined || failing.condition_type === 'expression')) {
        errors.delete(trigger.id)
      }
      if (failing === undefined) hits.push({ trigger, event, mayFire })
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error
      errors.set(trigger.id, (errors.get(trigger.id) ?? 0) + 1)
      hits.push({ trigger, event, mayFire, error: error.message })
    }
  }
  return hits
}
