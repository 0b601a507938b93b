import { compileTrigger } from './conditions/compile-trigger.ts'
import { type Evidence, evaluateTrigger } from './conditions/evaluate-trigger.ts'
import type { Queryable } from './db.ts'
import { type EventType, eventTypes, type RegistryEvent } from './event.ts'
import { sampleEvent } from './sample-events.ts'
import { readEvent } from './store/testing.ts'
import type { StoredTrigger } from './store/triggers.ts'

/** A mistake in what was asked for: the key, and what is wrong with it. */
export type TestProblem = { key: 'event_id' | 'event_type'; message: string }

/** How often the trigger fires, and from when on, are no matter of one event. */
const noOptions = { from_block: null, warm_up: false, cooldown: null, max_fires: null }

/**
 * The event that a trigger is tested with: a stored one, a sample of a type, or a sample of the type that the trigger waits
 * for. With the evidence of the trigger's conditions, whether they hold or not.
 */
export async function findTestEvent(
  db: Queryable,
  trigger: Pick<
    StoredTrigger,
    'id' | 'version' | 'generation' | 'chain_id' | 'registry' | 'active_since' | 'conditions'
  >,
  wanted: { eventId?: string | undefined; eventType?: EventType | undefined },
): Promise<{ event: RegistryEvent; evidence: Evidence[] } | { problem: TestProblem }> {
  const compiled = compileTrigger({
    ...trigger,
    ...noOptions,
    conditions: trigger.conditions.map((condition, position) => ({ ...condition, position })),
  })
  const { registry, chain_id: chainId } = trigger

  let event: RegistryEvent
  if (wanted.eventId !== undefined) {
    const stored = await readEvent(db, wanted.eventId)
    if (stored === undefined) return problem('event_id', 'there is no event with this id')
    if (stored.registry !== registry || stored.chain_id !== chainId) {
      const ours = `${registry} registry of chain ${chainId}`
      const found = `it is of the ${stored.registry} registry of chain ${stored.chain_id}`
      return problem('event_id', `expected an event of the ${ours}, as the trigger is; ${found}`)
    }
    event = stored
  } else {
    const types: readonly EventType[] = eventTypes[registry]
    const eventType = wanted.eventType ?? compiled.eventTypes[0] ?? types[0]
    if (eventType === undefined || !types.includes(eventType)) {
      return problem('event_type', `expected a type of the ${registry} registry: ${types.join(', ')}`)
    }
    event = sampleEvent(eventType, { chain_id: chainId })
  }
  return { event, evidence: evaluateTrigger(compiled, event, { explain: true }).evidence }
}

function problem(key: TestProblem['key'], message: string): { problem: TestProblem } {
  return { problem: { key, message } }
}
