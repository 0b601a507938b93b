import type { EventType, Registry } from '../event.ts'
import type { Condition, ConditionInput, Problem } from './check-conditions.ts'
import {
  type CheckContext,
  type Checked,
  checkField,
  checkNoConfig,
  checkOperator,
  fills,
  refuse,
  show,
  valueKindOf,
} from './check-parts.ts'
import { type ConditionField, findStatelessType, type Operator } from './condition-types.ts'

const listMax = 1000

/** Checks a condition of one of the types in `conditionTypes`. */
export function checkStateless(context: CheckContext, input: ConditionInput): Checked {
  const type = findStatelessType(input.condition_type)
  if (type === undefined) throw new Error(`${input.condition_type} is not a stateless type`)
  const field = checkField(context, type.fields, input)
  if ('problems' in field) return field
  const operator = checkOperator(type, input)
  if ('problems' in operator) return operator
  const value = checkValue(context.registry, field.ok, operator.ok, input.value)
  if ('problems' in value) return value
  const problems = checkNoConfig(input)
  if (problems.length > 0) return { problems }
  return {
    condition: {
      condition_type: type.name,
      field: field.ok,
      operator: operator.ok,
      value: value.ok,
      config: {},
    },
  }
}

/** Whether a stateless condition can hold for some event of this type. */
export function canHold({ field, operator, value }: Condition, eventType: EventType): boolean {
  if (field === null) return true
  if (field !== 'event_type') return fills(eventType, field) || (operator === 'exists' && value === false)
  const listed = (Array.isArray(value) ? value : [value]).includes(eventType)
  return operator === '=' || operator === 'in' ? listed : !listed
}

type CheckedValue = { ok: Condition['value'] } | { problems: Problem[] }

function checkValue(
  registry: Registry,
  field: ConditionField,
  operator: Operator,
  value: unknown,
): CheckedValue {
  if (operator === 'exists') {
    if (value === undefined) return { ok: true }
    return typeof value === 'boolean'
      ? { ok: value }
      : refuse('value', `expected true or false; found ${show(value)}`)
  }

  const { expected, read } = valueKindOf(registry, field)
  if (operator === 'in' || operator === 'not_in') {
    if (!Array.isArray(value) || value.length === 0 || value.length > listMax) {
      return refuse(
        'value',
        `expected a list of 1 to ${listMax} values for the operator ${operator}, each ${expected}`,
      )
    }
    const list = value.map(read)
    const wrong = list.indexOf(undefined)
    if (wrong === -1) return { ok: list as string[] }
    return {
      problems: [{ path: ['value', wrong], message: `expected ${expected}; found ${show(value[wrong])}` }],
    }
  }

  const single = read(value)
  if (single === undefined) {
    const hint = Array.isArray(value) ? '. A list needs the operator in or not_in' : ''
    return refuse('value', `expected ${expected}; found ${show(value)}${hint}`)
  }
  if (operator === 'contains' && single === '') {
    return refuse('value', 'expected at least one character: every text contains the empty one')
  }
  return { ok: single }
}
