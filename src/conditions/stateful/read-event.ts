import type { EventField, EventType, RegistryEvent } from '../../event.ts'
import type { Condition } from '../check-conditions.ts'
import { fills } from '../check-parts.ts'
import { normalizeDecimal } from '../decimal.ts'
import { fieldOf } from './definition.ts'

export const numberFields = ['score', 'response', 'value'] as const satisfies readonly EventField[]

export const order = ['<', '<=', '>', '>=', '=', '!='] as const

/** Whether a condition uses an event: it has the tag, if one is asked for. */
export function compileTag({ config }: Condition): (event: RegistryEvent) => boolean {
  const { tag: wanted } = config
  return typeof wanted === 'string' ? ({ tag1, tag }) => (tag1 ?? tag) === wanted : () => true
}

/** The number that a condition looks at, in normal form; `undefined` if the event cannot be used. */
export function compileNumber(condition: Condition): (event: RegistryEvent) => string | undefined {
  const field = fieldOf(condition)
  const isTagged = compileTag(condition)
  return (event) => {
    const seen = event[field]
    return seen === null || !isTagged(event) ? undefined : normalizeDecimal(String(seen))
  }
}

/** Whether events of a type have what the condition looks at. */
export function canUse({ field, config }: Condition, eventType: EventType): boolean {
  if (typeof config.tag === 'string' && !fills(eventType, 'tag1') && !fills(eventType, 'tag')) return false
  return field === null || field === 'event_type' || fills(eventType, field)
}
