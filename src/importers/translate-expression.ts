import { type EventField, eventFields } from '../event.ts'
import type { Signature } from './registry-signatures.ts'

type Token = { kind: 'name' | 'value' | 'operator' | 'open' | 'close' | 'and' | 'or'; text: string }

/** Conditions for a trigger, all of which have to hold, or why there are none that mean the same. */
export type Translated = { conditions: object[] } | { reason: string }

const pattern =
  /\s*(?:(\()|(\))|(&&|and\b)|(\|\||or\b)|(===?|!=|<=|>=|=|<|>|contains\b|starts_with\b|ends_with\b)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|0x[\da-f]*\b|-?\d+(?:\.\d+)?\b)|([a-z_$][\w$.]*))/iy

const comparisons: Record<string, string> = { '=': '==', '===': '==' }
const methods: Record<string, string> = {
  contains: 'contains',
  starts_with: 'startsWith',
  ends_with: 'endsWith',
}

/**
 * Puts a condition of OpenZeppelin Monitor or Defender on the parameters of an event into conditions of ours: comparisons of a
 * parameter with a value, joined by AND, OR and parentheses.
 */
export function translateExpression(text: string, { type, parameters }: Signature): Translated {
  const tokens = tokenize(text)
  if (tokens === undefined)
    return { reason: 'its expression uses more than comparisons, AND, OR and parentheses' }
  let next = 0
  const take = (kind: Token['kind']) => (tokens[next]?.kind === kind ? tokens[next++] : undefined)
  const fail = (reason: string): never => {
    throw new Untranslatable(reason)
  }

  const comparison = (): string => {
    if (take('open')) {
      const inner = either()
      if (!take('close')) fail('its expression has a ( without a )')
      return `(${inner})`
    }
    const name = take('name')?.text
    const operator = take('operator')?.text.toLowerCase()
    const value = (take('value') ?? take('name'))?.text
    if (name === undefined || operator === undefined || value === undefined) {
      return fail('its expression is no comparison of a parameter with a value')
    }
    const parameter = name.split('.').at(-1) ?? name
    const field = Object.hasOwn(parameters, parameter) ? parameters[parameter] : undefined
    if (field === undefined) return fail(`${type} has no parameter ${JSON.stringify(name)}`)
    if (field === null) return fail(`of ${JSON.stringify(name)} only a hash is on the chain`)
    return compare(field, operator, value)
  }
  const all = (): string[] => {
    const parts = [comparison()]
    while (take('and')) parts.push(comparison())
    return parts
  }
  const either = (): string => {
    const parts = [all()]
    while (take('or')) parts.push(all())
    return parts.map((part) => part.join(' && ')).join(' || ')
  }

  try {
    const parts = [all()]
    while (take('or')) parts.push(all())
    if (next < tokens.length) fail('its expression goes on where it should end')
    const [only = []] = parts
    if (parts.length > 1)
      return { conditions: [asCondition(parts.map((part) => part.join(' && ')).join(' || '))] }
    return { conditions: only.map(asCondition) }
  } catch (error) {
    if (error instanceof Untranslatable) return { reason: error.message }
    throw error
  }
}

/** One agent is what triggers are found by: it is worth a condition of its own. */
function asCondition(expression: string): object {
  const [, agent] = /^event\.agent_id == (\d+)$/.exec(expression) ?? []
  if (agent !== undefined) return { condition_type: 'agent_id_equals', value: agent }
  return { condition_type: 'expression', value: expression }
}

function compare(field: EventField, operator: string, value: string): string {
  const { kind } = eventFields[field]
  const plain = /^["']/.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value
  const isNumber = kind === 'integer' || kind === 'decimal'
  if (isNumber && !/^-?\d+(\.\d+)?$/.test(plain)) {
    throw new Untranslatable(`${JSON.stringify(plain)} is no number, as ${field} is`)
  }
  const isHex = kind === 'address' || kind === 'hash' || kind === 'bytes'
  const literal = isNumber ? plain : quote(isHex ? plain.toLowerCase() : plain)
  const method = methods[operator]
  if (method !== undefined) {
    if (isNumber) throw new Untranslatable(`${operator} is for texts, and ${field} is a number`)
    return `event.${field}.${method}(${literal})`
  }
  const comparison = comparisons[operator] ?? operator
  if (!isNumber && comparison !== '==' && comparison !== '!=') {
    throw new Untranslatable(`${operator} is for numbers, and ${field} is a text`)
  }
  return `event.${field} ${comparison} ${literal}`
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`
}

function tokenize(text: string): Token[] | undefined {
  const kinds = ['open', 'close', 'and', 'or', 'operator', 'value', 'name'] as const
  const tokens: Token[] = []
  const end = text.trimEnd().length
  pattern.lastIndex = 0
  while (pattern.lastIndex < end) {
    const found = pattern.exec(text)
    if (found === null) return undefined
    const index = found.slice(1).findIndex((part) => part !== undefined)
    const kind = kinds[index]
    if (kind === undefined) return undefined
    tokens.push({ kind, text: found[index + 1] ?? '' })
  }
  return tokens
}

class Untranslatable extends Error {
  override name = 'Untranslatable'
}
