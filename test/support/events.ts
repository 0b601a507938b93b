import type { EventType, RegistryEvent } from '../../src/event.ts'
import { sampleEvent as realisticEvent } from '../../src/sample-events.ts'

/** An event of the given type on chain 31337 without arguments, which only templates read. */
export function sampleEvent(eventType: EventType, fields: Partial<RegistryEvent> = {}): RegistryEvent {
  return realisticEvent(eventType, { args: {}, ...fields })
}
