import type { EventField } from '../../event.ts'
import type { CompiledTrigger } from '../compiled-trigger.ts'
import type { Range } from './range-list.ts'
import { rangeOf } from './round-outward.ts'

/** What an event must have for the trigger to fire: one of the values in a field, or a number of a range. */
export type Key =
  | { kind: 'equals'; field: EventField; values: readonly string[] }
  | { kind: 'range'; field: EventField; range: Range }

/** In how many places of a tree one trigger may stand. The longest list that a condition can have. */
const placesMax = 1000

/**
 * The share of events, very roughly, that have one given value. Only their order counts, and how many values of one field are as
 * selective as one of another.
 */
const shares: Partial<Record<EventField, number>> = {
  agent_id: 1 / 10_000,
  client_address: 1 / 5_000,
  owner: 1 / 5_000,
  previous_owner: 1 / 5_000,
  validator_address: 1 / 200,
  score: 1 / 100,
  response: 1 / 100,
}
const otherShare = 1 / 20

/** Fields that say nothing are empty more often than they have any one value. */
const emptyShare = 1 / 2

/**
 * The keys of a trigger, the most selective first: equalities by how many events they are likely to let through, then ranges.
 * Conditions of one field are one key.
 *
 * @returns `undefined` when no event can have what it asks for: lists that have nothing in common.
 */
export function listKeys(trigger: CompiledTrigger): readonly Key[] | undefined {
  const values = new Map<EventField, readonly string[]>()
  const ranges = new Map<EventField, Range>()
  for (const { field, operator, value } of trigger.conditions) {
    // The types of events are a matter of the level above. An expression has no field.
    if (field === null || field === 'event_type') continue
    if (operator === '=' || operator === 'in') {
      const wanted = [...new Set(typeof value === 'string' ? [value] : Array.isArray(value) ? value : [])]
      const before = values.get(field)
      values.set(field, before === undefined ? wanted : wanted.filter((one) => before.includes(one)))
    } else if (operator !== null && typeof value === 'string') {
      const range = rangeOf(operator, value)
      const before = ranges.get(field)
      if (range !== undefined) ranges.set(field, before === undefined ? range : intersect(before, range))
    }
  }

  const equalities = [...values].sort(([a, of], [b, than]) => shareOf(a, of) - shareOf(b, than))
  const keys: Key[] = []
  let places = 1
  for (const [field, list] of equalities) {
    if (list.length === 0) return undefined
    // A second list multiplies the places of the first.
    if (places * list.length > placesMax) continue
    places *= list.length
    keys.push({ kind: 'equals', field, values: list })
  }
  for (const [field, range] of ranges) keys.push({ kind: 'range', field, range })
  return keys
}

function shareOf(field: EventField, values: readonly string[]): number {
  const share = shares[field] ?? otherShare
  return values.reduce((sum, value) => sum + (value === '' ? emptyShare : share), 0)
}

/** May end before it begins: what both let through can be between two doubles. */
function intersect(a: Range, b: Range): Range {
  return { low: Math.max(a.low, b.low), high: Math.min(a.high, b.high) }
}
