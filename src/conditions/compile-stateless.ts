import { eventFields } from '../event.ts'
import type { Condition } from './check-conditions.ts'
import type { CompiledCondition } from './compiled-trigger.ts'
import type { ConditionField, Operator } from './condition-types.ts'
import { compareDecimals, normalizeDecimal } from './decimal.ts'

/**
 * Prepares a condition of one of the types in `conditionTypes` for many events. There can be hundreds of thousands, so what is the same
 * is shared.
 */
export function compileStateless(condition: Condition, position: number): CompiledCondition {
  const { condition_type, field, operator, value, config } = condition
  if (field === null || operator === null || value === null) {
    throw new Error(`A condition of type ${condition_type} needs a field, an operator and a value`)
  }
  return {
    condition_type,
    field,
    operator,
    value,
    // A step of a sequence is stored without.
    config: Object.keys(config ?? noConfig).length === 0 ? noConfig : config,
    position,
    holds: shareTest(field, operator, value),
    seen: readerOf(field),
  }
}

const noConfig: Condition['config'] = Object.freeze({})

const readers = new Map<ConditionField, CompiledCondition['seen']>()

function readerOf(field: ConditionField): CompiledCondition['seen'] {
  const reader = readers.get(field) ?? ((event) => event[field])
  readers.set(field, reader)
  return reader
}

/** Tests that many triggers have alike, with few of those that hardly two have. */
const sharedTests = new Map<string, CompiledCondition['holds']>()
const sharedTestsMax = 10_000
const sharedLengthMax = 40

/** Triggers ask much the same of different agents. What they share takes less memory, and is in the processor's cache. */
function shareTest(
  field: ConditionField,
  operator: Operator,
  value: NonNullable<Condition['value']>,
): CompiledCondition['holds'] {
  if (Array.isArray(value)) return compileTest(field, operator, value)
  const text = String(value)
  if (text.length > sharedLengthMax) return compileTest(field, operator, value)
  const key = `${field} ${operator} ${text}`
  const shared = sharedTests.get(key)
  if (shared !== undefined) return shared
  if (sharedTests.size >= sharedTestsMax) sharedTests.clear()
  const test = compileTest(field, operator, value)
  sharedTests.set(key, test)
  return test
}

function compileTest(
  field: ConditionField,
  operator: Operator,
  value: NonNullable<Condition['value']>,
): CompiledCondition['holds'] {
  if (operator === 'exists') return (event) => isPresent(event[field]) === value

  const normalize = normalizerOf(field)
  if (Array.isArray(value)) {
    const list = new Set<string>(value)
    const wanted = operator === 'in'
    return (event) => event[field] !== null && list.has(normalize(String(event[field]))) === wanted
  }
  const wanted = String(value)
  switch (operator) {
    case '=':
      return (event) => event[field] !== null && normalize(String(event[field])) === wanted
    case '!=':
      return (event) => event[field] !== null && normalize(String(event[field])) !== wanted
    case 'contains':
      return (event) => event[field] !== null && normalize(String(event[field])).includes(wanted)
    case '<':
      return (event) => event[field] !== null && compareDecimals(normalize(String(event[field])), wanted) < 0
    case '<=':
      return (event) => event[field] !== null && compareDecimals(normalize(String(event[field])), wanted) <= 0
    case '>':
      return (event) => event[field] !== null && compareDecimals(normalize(String(event[field])), wanted) > 0
    case '>=':
      return (event) => event[field] !== null && compareDecimals(normalize(String(event[field])), wanted) >= 0
    default:
      throw new Error(`The operator ${operator} needs a list`)
  }
}

function isPresent(seen: string | number | null): boolean {
  return seen !== null && seen !== ''
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
  if (kind === 'address') return toLowerCase
  return kind === 'integer' || kind === 'decimal' ? toNormalForm : same
}

function toLowerCase(seen: string): string {
  return seen.toLowerCase()
}

function toNormalForm(seen: string): string {
  return normalizeDecimal(seen) ?? seen
}

function same(seen: string): string {
  return seen
}
