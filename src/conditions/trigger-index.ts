import type { EventType, RegistryEvent } from '../event.ts'
import type { CompiledTrigger } from './compile-trigger.ts'
import { normalizeDecimal } from './decimal.ts'

export type TriggerIndex = {
  /** The triggers that may fire for the event: all that do, and few that do not. */
  candidates(event: RegistryEvent): readonly CompiledTrigger[]
}

type Bucket = { anyAgent: CompiledTrigger[]; byAgent: Map<string, CompiledTrigger[]> }

const none: readonly CompiledTrigger[] = []

/** Sorts triggers by chain and event type, then by agent, so that an event meets only those that ask for the like of it. */
export function createTriggerIndex(triggers: readonly CompiledTrigger[]): TriggerIndex {
  const buckets = new Map<string, Bucket>()

  for (const trigger of triggers) {
    for (const eventType of trigger.eventTypes) {
      const key = keyOf(trigger.chain_id, eventType)
      const bucket: Bucket = buckets.get(key) ?? { anyAgent: [], byAgent: new Map() }
      buckets.set(key, bucket)
      if (trigger.agentIds === undefined) bucket.anyAgent.push(trigger)
      for (const agentId of trigger.agentIds ?? []) {
        const list = bucket.byAgent.get(agentId)
        if (list === undefined) bucket.byAgent.set(agentId, [trigger])
        else list.push(trigger)
      }
    }
  }

  return {
    candidates(event) {
      const bucket = buckets.get(keyOf(event.chain_id, event.event_type))
      if (bucket === undefined) return none
      const own = bucket.byAgent.get(normalizeDecimal(event.agent_id ?? '') ?? '')
      return own === undefined ? bucket.anyAgent : [...own, ...bucket.anyAgent]
    },
  }
}

/** An event type belongs to one registry, so the registry need not be part of the key. */
function keyOf(chainId: number, eventType: EventType): string {
  return `${chainId} ${eventType}`
}
