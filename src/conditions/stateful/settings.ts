import { fills, valueKinds } from '../check-parts.ts'
import type { Setting } from './definition.ts'
import { expectedWindow, parseWindowMs } from './window.ts'

/** A span of block time; it has no default. */
export const windowSetting: Setting = (given) =>
  parseWindowMs(given) === undefined ? { expected: expectedWindow } : { ok: given }

/** Only events with this tag are used. */
export const tagSetting: Setting = (given, { possible }) => {
  if (given === undefined || given === null) return { ok: undefined }
  const read = valueKinds.text.read(given)
  if (read === undefined) return { expected: `expected ${valueKinds.text.expected}` }
  if (possible.some((eventType) => fills(eventType, 'tag1') || fills(eventType, 'tag'))) return { ok: read }
  return { expected: `expected nothing: no ${possible.join(' or ')} event fills tag1 or tag` }
}

export function integerSetting(min: number, max: number, byDefault: number | undefined): Setting {
  return (given) => {
    if (given === undefined || given === null) return { ok: byDefault }
    if (Number.isInteger(given) && Number(given) >= min && Number(given) <= max) return { ok: given }
    return { expected: `expected a whole number from ${min} to ${max}` }
  }
}

export function flagSetting(byDefault: boolean): Setting {
  return (given = byDefault) =>
    typeof given === 'boolean' ? { ok: given } : { expected: 'expected true or false' }
}

/** A number, in normal form. */
export const decimalSetting: Setting = (given) => {
  if (given === undefined || given === null) return { ok: undefined }
  const read = valueKinds.decimal.read(given)
  return read === undefined ? { expected: `expected ${valueKinds.decimal.expected}` } : { ok: read }
}
