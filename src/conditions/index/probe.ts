import { type EventField, eventFields, type RegistryEvent } from '../../event.ts'
import { normalizeDecimal } from '../decimal.ts'
import { hashText, noHash } from './hash-text.ts'
import type { Range } from './range-list.ts'
import { roundOutward } from './round-outward.ts'

/** What an event has in its fields, as the index compares it. Each field is read once, when it is first asked for. */
export type Probe = {
  /** Begins with another event. */
  begin(event: RegistryEvent): void
  event(): RegistryEvent
  /** The hash of what a field has; `noHash`: it has nothing. */
  hashIn(field: EventField): number
  /** Where the number in a field is; `undefined`: there is none. */
  rangeIn(field: EventField): Range | undefined
}

const places = Object.fromEntries(Object.keys(eventFields).map((field, place) => [field, place])) as Record<
  EventField,
  number
>
const notRead = -2

/** Reads one event after the other. */
export function createProbe(event: RegistryEvent): Probe {
  let current = event
  const count = Object.keys(places).length
  const hashes = new Int32Array(count).fill(notRead)
  const ranges: (Range | undefined | typeof notRead)[] = Array.from({ length: count }, () => notRead)

  return {
    begin(next) {
      current = next
      hashes.fill(notRead)
      ranges.fill(notRead)
    },
    event: () => current,
    hashIn(field) {
      const known = hashes[places[field]]
      if (known !== undefined && known !== notRead) return known
      const seen = readKey(current, field)
      const hash = seen === undefined ? noHash : hashText(seen)
      hashes[places[field]] = hash
      return hash
    },
    rangeIn(field) {
      const known = ranges[places[field]]
      if (known !== notRead) return known
      const seen = current[field]
      const range = seen === null ? undefined : roundOutward(String(seen))
      ranges[places[field]] = range
      return range
    },
  }
}

/** What an event has in a field, in the form that values of conditions have. */
function readKey(event: RegistryEvent, field: EventField): string | undefined {
  const seen = event[field]
  if (seen === null) return undefined
  const text = String(seen)
  switch (eventFields[field].kind) {
    case 'address':
      return text.toLowerCase()
    case 'integer':
    case 'decimal':
      return /^[1-9]\d*$/.test(text) ? text : (normalizeDecimal(text) ?? text)
    default:
      return text
  }
}
