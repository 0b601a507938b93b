import { type EventField, type EventType, eventFields, eventTypes, type Registry } from '../event.ts'
import {
  type ConditionField,
  type ConditionType,
  conditionTypes,
  findConditionType,
  type Operator,
} from './condition-types.ts'
import { normalizeDecimal } from './decimal.ts'

/** What is wrong with one value of a document, and where it is. */
export type Problem = { path: (string | number)[]; message: string }

/** A condition as somebody wrote it: what is left out has a default. */
export type ConditionInput = {
  condition_type: string
  field?: string | undefined
  operator?: string | undefined
  value?: unknown
}

/** A condition that was checked. Numbers are decimal strings in normal form, addresses are lower case. */
export type Condition = {
  condition_type: ConditionType
  field: ConditionField
  operator: Operator
  value: string | boolean | readonly string[]
}

const listMax = 1000
const textLengthMax = 1000

/**
 * Checks the conditions of one trigger, fills in what was left out, and brings values into one form.
 *
 * @param conditions `undefined` stands for one that could not be read: it is passed over, and the others keep their index.
 * @returns every problem, with paths that begin with the condition's index; the conditions count only if there is none.
 */
export function checkConditions(
  registry: Registry,
  conditions: readonly (ConditionInput | undefined)[],
): { conditions: Condition[]; problems: Problem[] } {
  const problems: Problem[] = []
  const checked = new Map<number, Condition>()
  let possible: readonly EventType[] = eventTypes[registry]

  // What the trigger says about event types decides which fields there are, wherever in the list it says so.
  const entries = [...conditions.entries()]
  const limitsTypes = ([, input]: (typeof entries)[number]) =>
    Number(input?.condition_type === 'event_type_equals')
  for (const [index, input] of entries.toSorted((a, b) => limitsTypes(b) - limitsTypes(a))) {
    if (input === undefined) continue
    const result = checkCondition(registry, possible, input)
    if ('problem' in result) {
      problems.push({ path: [index, ...result.problem.path], message: result.problem.message })
      continue
    }
    const left = possible.filter((eventType) => canHold(result.condition, eventType))
    if (left.length === 0) {
      problems.push({
        path: [index, 'value'],
        message: `the trigger could never fire: the conditions before leave only ${possible.join(', ')}`,
      })
      continue
    }
    possible = left
    checked.set(index, result.condition)
  }

  problems.sort((a, b) => Number(a.path[0]) - Number(b.path[0]))
  return {
    conditions: entries.flatMap(([index]) => checked.get(index) ?? []),
    problems,
  }
}

/** Whether the condition can hold for some event of this type. */
export function canHold({ field, operator, value }: Condition, eventType: EventType): boolean {
  if (field !== 'event_type') return fills(eventType, field) || (operator === 'exists' && value === false)
  const listed = (Array.isArray(value) ? value : [value]).includes(eventType)
  return operator === '=' || operator === 'in' ? listed : !listed
}

/** What to say of a condition type that there is not. */
export function describeUnknownType(name: string): string {
  return `expected one of ${Object.keys(conditionTypes).join(', ')}; found ${show(name)}`
}

type Checked = { condition: Condition } | { problem: Problem }

function checkCondition(registry: Registry, possible: readonly EventType[], input: ConditionInput): Checked {
  const type = findConditionType(input.condition_type)
  if (type === undefined) return refuse('condition_type', describeUnknownType(input.condition_type))
  const condition_type = input.condition_type as ConditionType

  const isFilled = (field: ConditionField) =>
    field === 'event_type' || possible.some((eventType) => fills(eventType, field))
  const field =
    input.field === undefined
      ? (type.fields.find(isFilled) ?? type.fields[0])
      : type.fields.find((name) => name === input.field)
  if (field === undefined) {
    return refuse('field', `expected ${oneOf(type.fields)} for ${condition_type}; found ${show(input.field)}`)
  }
  if (!isFilled(field)) {
    const filled = Object.keys(eventFields).filter((name) => isFilled(name as EventField))
    return refuse(
      input.field === undefined ? 'condition_type' : 'field',
      `no ${possible.join(' or ')} event fills ${field}. They fill ${filled.join(', ')}`,
    )
  }

  const operator =
    input.operator === undefined
      ? type.defaultOperator
      : type.operators.find((name) => name === input.operator)
  if (operator === undefined) {
    const found = input.operator === undefined ? 'found none' : `found ${show(input.operator)}`
    return refuse('operator', `expected ${oneOf(type.operators)} for ${condition_type}; ${found}`)
  }

  const value = checkValue(registry, field, operator, input.value)
  return 'problem' in value ? value : { condition: { condition_type, field, operator, value: value.ok } }
}

type CheckedValue = { ok: Condition['value'] } | { problem: Problem }

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
      problem: { path: ['value', wrong], message: `expected ${expected}; found ${show(value[wrong])}` },
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

type ValueKind = { expected: string; read: (value: unknown) => string | undefined }

/** What a value for this field must be, in words, and how it is brought into its form. */
function valueKindOf(registry: Registry, field: ConditionField): ValueKind {
  if (field === 'event_type') {
    const names: readonly string[] = eventTypes[registry]
    return {
      expected: `an event type of the ${registry} registry (${names.join(', ')})`,
      read: (value) => names.find((name) => name === value),
    }
  }
  const { kind } = eventFields[field]
  if (kind === 'address') {
    return {
      expected: 'an address (0x and 40 hex digits)',
      read: (value) =>
        typeof value === 'string' && /^0x[0-9a-f]{40}$/i.test(value) ? value.toLowerCase() : undefined,
    }
  }
  if (kind === 'integer') {
    return {
      expected: 'a whole number from 0 (as a string if it is larger than 9007199254740991)',
      read: (value) => readNumber(value, /^\d{1,78}$/),
    }
  }
  if (kind === 'decimal') {
    return {
      expected: 'a number, such as 70 or "99.95" (as a string if it has more than 15 digits)',
      read: (value) => readNumber(value, /^-?\d{1,78}(\.\d{1,78})?$/),
    }
  }
  return {
    expected: `a text of at most ${textLengthMax} characters`,
    read: (value) => (typeof value === 'string' && value.length <= textLengthMax ? value : undefined),
  }
}

/** A JSON number counts only where JavaScript surely has not rounded it. */
function readNumber(value: unknown, pattern: RegExp): string | undefined {
  if (typeof value === 'number') {
    const digits = String(value)
    const exact = Number.isInteger(value)
      ? Number.isSafeInteger(value)
      : digits.replace(/[-.]/g, '').length <= 15
    return exact && pattern.test(digits) ? normalizeDecimal(digits) : undefined
  }
  return typeof value === 'string' && pattern.test(value) ? normalizeDecimal(value) : undefined
}

function fills(eventType: EventType, field: EventField): boolean {
  return (eventFields[field].of as readonly EventType[]).includes(eventType)
}

function refuse(name: string, message: string): { problem: Problem } {
  return { problem: { path: [name], message } }
}

function oneOf(names: readonly string[]): string {
  return names.length === 1 ? String(names[0]) : `one of ${names.join(', ')}`
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
