import type { Problem } from '../conditions/check-conditions.ts'
import type { DeliveryScope } from '../delivery-scope.ts'
import { eventFields } from '../event.ts'
import { describeTemplateError } from './describe-template-error.ts'
import { findNames, isOneOutput } from './engine.ts'
import { type JsonValue, valueKey } from './json-value.ts'

/** Names of a {@link DeliveryScope}, so that a misspelt one is found when the template is written. Null: what is in it differs. */
const scopeNames: Record<keyof DeliveryScope, readonly string[] | null> = {
  event: [
    ...['id', 'seq', 'chain_id', 'block_number', 'block_hash', 'block_time', 'transaction_hash'],
    ...['transaction_index', 'log_index', 'contract_address', 'registry', 'event_type', 'occurrence', 'args'],
    ...Object.keys(eventFields),
  ],
  trigger: ['id', 'name', 'version'],
  match: ['kind', 'evidence'],
  state: null,
  chain: ['id', 'name', 'currency', 'explorer'],
  links: ['transaction', 'block', 'agent', 'contract'],
  delivery: ['id', 'attempt', 'kind', 'original_id'],
  test: [],
  file: null,
  alert: null,
}

/** Every mistake in a template that can be seen without an event: its syntax, and names that no scope has. */
export function checkTemplate(template: JsonValue): Problem[] {
  if (typeof template === 'string') return checkString(template).map((message) => ({ path: [], message }))
  if (typeof template !== 'object' || template === null) return []
  if (!Array.isArray(template) && Object.hasOwn(template, valueKey)) {
    const { [valueKey]: expression, ...others } = template as Record<string, JsonValue>
    const problems = checkExpression(expression, Object.keys(others))
    return problems.map((message) => ({ path: [valueKey], message }))
  }
  return Object.entries(template).flatMap(([key, value]) => {
    const name = Array.isArray(template) ? Number(key) : key
    return checkTemplate(value).map(({ path, message }) => ({ path: [name, ...path], message }))
  })
}

function checkExpression(expression: JsonValue | undefined, others: readonly string[]): string[] {
  if (others.length > 0) return [`${valueKey} has to be the only key of its object`]
  const expected = 'expected what would stand between {{ and }}, such as "event.response"'
  if (typeof expression !== 'string' || expression.trim() === '') return [expected]
  const text = `{{ ${expression} }}`
  try {
    return isOneOutput(text) ? checkString(text) : [expected]
  } catch (error) {
    return [describeTemplateError(error)]
  }
}

function checkString(text: string): string[] {
  try {
    const unknown = findNames(text)
      .map((segments) => segments.slice(0, 2))
      .filter(([root, name]) => {
        const names = namesOf(root)
        return names === undefined || (names !== null && isUnknown(names, name))
      })
    return [...new Set(unknown.map(([root, name]) => describeUnknown(String(root), name)))]
  } catch (error) {
    return [describeTemplateError(error)]
  }
}

function namesOf(root: unknown): readonly string[] | null | undefined {
  return Object.hasOwn(scopeNames, String(root)) ? scopeNames[root as keyof DeliveryScope] : undefined
}

function isUnknown(names: readonly string[], name: unknown): boolean {
  return typeof name === 'string' && !names.includes(name) && name !== 'size'
}

function describeUnknown(root: string, name: unknown): string {
  const names = namesOf(root)
  if (names === undefined) return `${root} is not there. There are ${Object.keys(scopeNames).join(', ')}`
  const there = names === null || names.length === 0 ? 'nothing' : names.join(', ')
  return `${root}.${name} is not there. ${root} has ${there}`
}
