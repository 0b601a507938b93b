import { eventFields } from '../event.ts'
import type { Condition } from './check-conditions.ts'
import type { CompiledCondition } from './compiled-trigger.ts'
import type { ConditionField, Operator } from './condition-types.ts'
import { compareDecimals, normalizeDecimal } from './decimal.ts'

/** Prepares a condition of one of the types in `conditionTypes` for many events. */
export function compileStateless(condition: Condition, position: number): CompiledCondition {
  const { field, operator, value } = condition
  if (field === null || operator === null || value === null) {
    throw new Error(`A condition of type ${condition.condition_type} needs a field, an operator and a value`)
  }
  const test = compileTest(field, operator, value)
  return {
    ...condition,
    position,
    holds: (event) => test(event[field]),
    seen: (event) => event[field],
  }
}

type Test = (seen: string | number | null) => boolean

function compileTest(
  field: ConditionField,
  operator: Operator,
  value: NonNullable<Condition['value']>,
): Test {
  if (operator === 'exists') return (seen) => (seen !== null && seen !== '') === value

  const normalize = normalizerOf(field)
  const present = (test: (seen: string) => boolean) => (seen: string | number | null) =>
    seen !== null && test(normalize(String(seen)))

  if (Array.isArray(value)) {
    const list = new Set<string>(value)
    return operator === 'in' ? present((seen) => list.has(seen)) : present((seen) => !list.has(seen))
  }
  const wanted = String(value)
  if (operator === 'contains') return present((seen) => seen.includes(wanted))
  if (operator === '=') return present((seen) => seen === wanted)
  if (operator === '!=') return present((seen) => seen !== wanted)
  return present(compileComparison(operator, wanted))
}

/** How a number in normal form compares with the value of a condition. */
export function compileComparison(operator: Operator, wanted: string): (seen: string) => boolean {
  switch (operator) {
    case '=':
      return (seen) => seen === wanted
    case '!=':
      return (seen) => seen !== wanted
    case '<':
      return (seen) => compareDecimals(seen, wanted) < 0
    case '<=':
      return (seen) => compareDecimals(seen, wanted) <= 0
    case '>':
      return (seen) => compareDecimals(seen, wanted) > 0
    case '>=':
      return (seen) => compareDecimals(seen, wanted) >= 0
    default:
      throw new Error(`The operator ${operator} compares no numbers`)
  }
}

function normalizerOf(field: ConditionField): (seen: string) => string {
  const kind = field === 'event_type' ? 'text' : eventFields[field].kind
  if (kind === 'address') return (seen) => seen.toLowerCase()
  if (kind === 'integer' || kind === 'decimal') return (seen) => normalizeDecimal(seen) ?? seen
  return (seen) => seen
}
