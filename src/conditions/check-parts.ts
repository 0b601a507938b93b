import { type EventField, type EventType, eventFields, eventTypes, type Registry } from '../event.ts'
import type { Condition, ConditionInput, Problem } from './check-conditions.ts'
import type { ConditionField, Operator, StatelessType } from './condition-types.ts'
import { normalizeDecimal } from './decimal.ts'

/** What a condition is checked against: the events that the trigger can see. */
export type CheckContext = { registry: Registry; possible: readonly EventType[] }

/** A condition with everything filled in, or what is wrong with it, with paths that begin inside of it. */
export type Checked = { condition: Condition } | { problems: Problem[] }

const textLengthMax = 1000

/** The field that is asked for, or else the first of the type's that an event of the trigger fills. */
export function checkField<Field extends ConditionField>(
  { possible }: CheckContext,
  fields: readonly [Field, ...Field[]],
  input: ConditionInput,
): { ok: Field } | { problems: Problem[] } {
  const isFilled = (field: ConditionField) =>
    field === 'event_type' || possible.some((eventType) => fills(eventType, field))
  const asked = input.field ?? undefined
  const field =
    asked === undefined ? (fields.find(isFilled) ?? fields[0]) : fields.find((name) => name === asked)
  if (field === undefined) {
    return refuse('field', `expected ${oneOf(fields)} for ${input.condition_type}; found ${show(asked)}`)
  }
  if (isFilled(field)) return { ok: field }
  const filled = Object.keys(eventFields).filter((name) => isFilled(name as EventField))
  return refuse(
    asked === undefined ? 'condition_type' : 'field',
    `no ${possible.join(' or ')} event fills ${field}. They fill ${filled.join(', ')}`,
  )
}

export function checkOperator(
  { operators, defaultOperator }: Pick<StatelessType, 'operators' | 'defaultOperator'>,
  input: ConditionInput,
): { ok: Operator } | { problems: Problem[] } {
  const asked = input.operator ?? undefined
  const operator = asked === undefined ? defaultOperator : operators.find((name) => name === asked)
  if (operator !== undefined) return { ok: operator }
  const found = asked === undefined ? 'found none' : `found ${show(asked)}`
  return refuse('operator', `expected ${oneOf(operators)} for ${input.condition_type}; ${found}`)
}

/** Types that look at no field or compare nothing take none of these. */
export function checkNothing(
  input: ConditionInput,
  ...names: readonly ('field' | 'operator' | 'value')[]
): Problem[] {
  return names.flatMap((name) => {
    const given = input[name] ?? undefined
    if (given === undefined) return []
    return refuse(name, `expected nothing for ${input.condition_type}; found ${show(given)}`).problems
  })
}

/** Types without settings take none. */
export function checkNoConfig({ config = {} }: ConditionInput): Problem[] {
  return Object.keys(config).map((key) => ({
    path: ['config', key],
    message: 'unknown; nothing is known here',
  }))
}

export type ValueKind = { expected: string; read: (value: unknown) => string | undefined }

/** What a value for this field must be, in words, and how it is brought into its form. */
export function valueKindOf(registry: Registry, field: ConditionField): ValueKind {
  if (field === 'event_type') {
    const names: readonly string[] = eventTypes[registry]
    return {
      expected: `an event type of the ${registry} registry (${names.join(', ')})`,
      read: (value) => names.find((name) => name === value),
    }
  }
  const { kind } = eventFields[field]
  return kind === 'hash' || kind === 'bytes' ? valueKinds.text : valueKinds[kind]
}

export const valueKinds = {
  address: {
    expected: 'an address (0x and 40 hex digits)',
    read: (value) =>
      typeof value === 'string' && /^0x[0-9a-f]{40}$/i.test(value) ? value.toLowerCase() : undefined,
  },
  integer: {
    expected: 'a whole number from 0 (as a string if it is larger than 9007199254740991)',
    read: (value) => readNumber(value, /^\d{1,78}$/),
  },
  decimal: {
    expected: 'a number, such as 70 or "99.95" (as a string if it has more than 15 digits)',
    read: (value) => readNumber(value, /^-?\d{1,78}(\.\d{1,78})?$/),
  },
  text: {
    expected: `a text of at most ${textLengthMax} characters`,
    read: (value) => (typeof value === 'string' && value.length <= textLengthMax ? value : undefined),
  },
} as const satisfies Record<string, ValueKind>

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

export function fills(eventType: EventType, field: EventField): boolean {
  return (eventFields[field].of as readonly EventType[]).includes(eventType)
}

export function refuse(name: string, message: string): { problems: Problem[] } {
  return { problems: [{ path: [name], message }] }
}

export function oneOf(names: readonly string[]): string {
  return names.length === 1 ? String(names[0]) : `one of ${names.join(', ')}`
}

export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
