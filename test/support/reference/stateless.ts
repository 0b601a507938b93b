import { Environment } from '@marcbachmann/cel-js'
import type { RegistryEvent } from '../../../src/event.ts'
import { compare, exact, says } from './exact.ts'
import type { ReferenceCondition } from './trigger.ts'

const integers = ['agent_id', 'feedback_index', 'value_decimals', 'chain_id', 'block_number', 'log_index']
const doubles = ['score', 'value', 'response']
const addresses = [
  'owner',
  'previous_owner',
  'updated_by',
  'client_address',
  'responder',
  'validator_address',
]

const environment = new Environment({ unlistedVariablesAreDyn: true })

/** Whether a condition on one field of an event holds. */
export function holds({ field, operator, value }: ReferenceCondition, event: RegistryEvent): boolean {
  const seen = event[field as keyof RegistryEvent] as string | number | null
  if (operator === 'exists') return (seen !== null && seen !== '') === value
  if (seen === null) return false
  const wanted = (Array.isArray(value) ? value : [value]).map(String)
  if (operator === 'contains') return String(seen).includes(String(value))
  if (operator === 'in' || operator === '=') return wanted.some((one) => order(field, seen, one) === 0)
  if (operator === 'not_in' || operator === '!=') return wanted.every((one) => order(field, seen, one) !== 0)
  return says(String(operator), order(field, seen, String(value)))
}

/** Whether an expression is true for an event. Reading what the event does not have makes it false. */
export function decide(expression: string, event: RegistryEvent): boolean | { error: string } {
  const given = Object.entries(event).filter(([, seen]) => seen !== null)
  const fields = Object.fromEntries(
    given.map(([name, seen]) => {
      if (integers.includes(name)) return [name, BigInt(seen as string)]
      return [name, doubles.includes(name) ? Number(seen) : seen]
    }),
  )
  try {
    return environment.parse(expression)({ event: fields }) === true
  } catch (error) {
    const { code, summary } = error as { code?: string; summary?: string }
    return code === 'no_such_key' ? false : { error: String(summary) }
  }
}

function order(field: string | null | undefined, seen: string | number, wanted: string): number {
  const isNumber = integers.includes(String(field)) || doubles.includes(String(field))
  const a = isNumber ? exact(String(seen)) : undefined
  const b = isNumber ? exact(wanted) : undefined
  if (a !== undefined && b !== undefined) return compare(a, b)
  const same = addresses.includes(String(field))
    ? String(seen).toLowerCase() === wanted.toLowerCase()
    : String(seen) === wanted
  return same ? 0 : 1
}
