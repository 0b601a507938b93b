import type { EventType } from '../event.ts'
import type { Condition, ConditionInput, Problem } from './check-conditions.ts'
import { type CheckContext, type Checked, oneOf, refuse, show, valueKinds } from './check-parts.ts'
import { compileComparison } from './compile-stateless.ts'
import type { CompiledContent, CompiledStateful, FileVerdict, Seen } from './compiled-trigger.ts'
import type { ConditionType, Operator } from './condition-types.ts'
import { normalizeDecimal } from './decimal.ts'
import { fileNeedOf, namesFile } from './file-need.ts'
import { checkJsonPath, readJsonPath } from './json-path.ts'
import { shortKey } from './stateful/short-key.ts'

const hashVerdicts = ['raw', 'jcs', 'sorted_keys', 'mismatch', 'unavailable']
const equality = ['=', '!=', 'in', 'not_in']
const order = ['<', '<=', '>', '>=']

/** The condition types that look into the file that an event names. */
export const contentTypes = {
  file_fetched: { operators: ['='] },
  file_hash: { operators: equality },
  file_json: { operators: [...equality, ...order, 'contains', 'exists', 'changed'] },
} as const satisfies Partial<Record<ConditionType, { operators: readonly string[] }>>

export type ContentConditionType = keyof typeof contentTypes

const listMax = 1000
/** How much of a text the evidence shows. */
const shownMax = 200

export function isContentType(name: string): name is ContentConditionType {
  return Object.hasOwn(contentTypes, name)
}

/** Whether a content condition compares a file with the one that its agent had before: {@link compileFileChanged}. */
export function isFileChanged({
  condition_type,
  operator,
}: Pick<ConditionInput, 'condition_type' | 'operator'>) {
  return condition_type === 'file_json' && operator === 'changed'
}

/** Whether a content condition can hold for an event of this type. */
export function canHoldContent(condition: Condition, eventType: EventType): boolean {
  // A registration is where the comparison begins.
  return isFileChanged(condition) ? eventType === 'URIUpdated' : namesFile(eventType)
}

/** Whether an event of this type can move the state of a condition {@link isFileChanged}. */
export function usesFile(eventType: EventType): boolean {
  return eventType === 'Registered' || eventType === 'URIUpdated'
}

/** Checks a condition of one of the types in {@link contentTypes}. */
export function checkContent({ possible }: CheckContext, input: ConditionInput): Checked {
  const { condition_type } = input
  if (!isContentType(condition_type)) throw new Error(`${condition_type} does not look into files`)
  if (!possible.some(namesFile)) {
    return refuse('condition_type', `no ${possible.join(' or ')} event names a file`)
  }
  if ((input.field ?? undefined) !== undefined) {
    return refuse('field', `expected nothing for ${condition_type}; found ${show(input.field)}`)
  }
  const { operators } = contentTypes[condition_type]
  const asked = input.operator ?? (condition_type === 'file_json' ? undefined : '=')
  const operator = operators.find((name) => name === asked) as Operator | undefined
  if (operator === undefined) {
    const found = asked === undefined ? 'found none' : `found ${show(asked)}`
    return refuse('operator', `expected ${oneOf(operators)} for ${condition_type}; ${found}`)
  }
  const config = checkConfig(input, possible)
  if ('problems' in config) return config
  const value = checkValue(condition_type, operator, input.value ?? undefined)
  if ('problems' in value) return value
  return { condition: { condition_type, field: null, operator, value: value.ok, config: config.ok } }
}

function checkConfig(
  input: ConditionInput,
  possible: readonly EventType[],
): { ok: Record<string, unknown> } | { problems: Problem[] } {
  const { config = {} } = input
  const isJson = input.condition_type === 'file_json'
  const isChanged = isFileChanged(input)
  const known = [...(isJson ? ['path'] : []), ...(isChanged ? ['from', 'to'] : [])]
  const unknown = Object.keys(config).filter((key) => !known.includes(key))
  if (unknown.length > 0) {
    const names = known.length === 0 ? 'nothing is known here' : `known are ${known.join(', ')}`
    return { problems: unknown.map((key) => ({ path: ['config', key], message: `unknown; ${names}` })) }
  }
  if (!isJson) return { ok: {} }
  const { path } = config
  const problem =
    typeof path === 'string'
      ? checkJsonPath(path)
      : `expected a JSON path such as $.services[0].endpoint; found ${show(path)}`
  if (problem !== undefined) return { problems: [{ path: ['config', 'path'], message: problem }] }
  if (!isChanged) return { ok: { path } }
  if (!possible.includes('URIUpdated')) {
    return refuse('operator', `changed compares registration files, and the trigger sees no URIUpdated event`)
  }
  const problems = (['from', 'to'] as const).flatMap((key) => {
    const given = config[key]
    const isSimple =
      given === undefined || given === null || ['string', 'number', 'boolean'].includes(typeof given)
    if (isSimple && (typeof given !== 'string' || given.length <= listMax)) return []
    return [
      {
        path: ['config', key],
        message: `expected a text, a number, true, false or null; found ${show(given)}`,
      },
    ]
  })
  if (problems.length > 0) return { problems }
  const { from, to } = config
  return { ok: { path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) } }
}

function checkValue(
  type: ContentConditionType,
  operator: Operator,
  value: unknown,
): { ok: Condition['value'] } | { problems: Problem[] } {
  if (operator === ('changed' as Operator)) {
    if (value === undefined) return { ok: null }
    return refuse(
      'value',
      `expected nothing for changed; found ${show(value)}. See config.from and config.to`,
    )
  }
  if (type === 'file_fetched' || operator === 'exists') {
    if (value === undefined) return { ok: true }
    if (typeof value === 'boolean') return { ok: value }
    return refuse('value', `expected true or false; found ${show(value)}`)
  }
  const { expected, read } = kindOf(type, operator)
  if (operator === 'in' || operator === 'not_in') {
    if (!Array.isArray(value) || value.length === 0 || value.length > listMax) {
      const message = `expected a list of 1 to ${listMax} values for the operator ${operator}, each ${expected}`
      return refuse('value', message)
    }
    const list = value.map(read)
    const wrong = list.findIndex((item) => typeof item !== 'string')
    if (wrong === -1) return { ok: list as string[] }
    return {
      problems: [{ path: ['value', wrong], message: `expected ${expected}; found ${show(value[wrong])}` }],
    }
  }
  const single = read(value)
  if (single === undefined) return refuse('value', `expected ${expected}; found ${show(value)}`)
  if (operator === 'contains' && single === '') {
    return refuse('value', 'expected at least one character: every text contains the empty one')
  }
  return { ok: single }
}

type Kind = { expected: string; read: (value: unknown) => string | boolean | undefined }

function kindOf(type: ContentConditionType, operator: Operator): Kind {
  if (type === 'file_hash') {
    return { expected: oneOf(hashVerdicts), read: (value) => hashVerdicts.find((name) => name === value) }
  }
  if (order.includes(operator)) return valueKinds.decimal
  const isList = operator === 'in' || operator === 'not_in'
  return {
    expected: `${valueKinds.text.expected}${isList ? ' or a number' : ', a number, true or false'}`,
    read: (value) =>
      typeof value === 'boolean' && !isList && operator !== 'contains'
        ? value
        : typeof value === 'number'
          ? valueKinds.decimal.read(value)
          : valueKinds.text.read(value),
  }
}

/** Prepares a content condition, other than {@link isFileChanged}, for many events. */
export function compileContent(condition: Condition, position: number): CompiledContent {
  const decide = compileDecision(condition)
  return {
    ...condition,
    position,
    test: (event, file) =>
      fileNeedOf(event) === undefined ? { holds: false, seen: file.error } : decide(file),
  }
}

type Decide = (file: FileVerdict) => { holds: boolean; seen: Seen }

function compileDecision({ condition_type, operator, value, config }: Condition): Decide {
  if (condition_type === 'file_fetched') {
    return ({ status, error }) => {
      const isFetched = status === 'fetched'
      return { holds: isFetched === value, seen: isFetched ? true : (error ?? false) }
    }
  }
  if (condition_type === 'file_hash') {
    const wanted = Array.isArray(value) ? value : [value]
    const isEqual = operator === '=' || operator === 'in'
    return ({ hash }) => ({ holds: wanted.includes(hash) === isEqual, seen: hash })
  }
  const path = String(config.path)
  const test = compileNodes(operator, value)
  return (file) => {
    // Of a file that is not there nothing can be said, not even what it lacks.
    if (file.status !== 'fetched' || file.json === undefined) return { holds: false, seen: file.error }
    const nodes = readJsonPath(file.json, path)
    return { holds: test(nodes), seen: showNodes(nodes) }
  }
}

function compileNodes(operator: Operator | null, value: Condition['value']): (nodes: unknown[]) => boolean {
  if (operator === 'exists') return (nodes) => nodes.some(isThere) === value
  const list = Array.isArray(value) ? value : [value]
  const isListed = (node: unknown) => list.some((wanted) => isSame(node, wanted))
  if (operator === '=' || operator === 'in') return (nodes) => nodes.some(isListed)
  if (operator === '!=' || operator === 'not_in') {
    return (nodes) => nodes.some(isThere) && !nodes.some(isListed)
  }
  if (operator === 'contains') {
    return (nodes) => nodes.some((node) => (Array.isArray(node) ? node.some(isListed) : hasText(node, value)))
  }
  const compare = compileComparison(operator ?? '=', String(value))
  return (nodes) =>
    nodes.some((node) => {
      const number = toDecimal(node)
      return number !== undefined && compare(number)
    })
}

function isThere(node: unknown): boolean {
  return node !== null && node !== ''
}

function hasText(node: unknown, value: Condition['value']): boolean {
  return typeof node === 'string' && typeof value === 'string' && node.includes(value)
}

/** Writers of files do not agree on whether a number stands in quotes. */
function isSame(node: unknown, wanted: string | boolean | null): boolean {
  if (node === wanted) return true
  if (typeof node !== 'number' || typeof wanted !== 'string') return false
  const number = toDecimal(node)
  return number !== undefined && number === normalizeDecimal(wanted)
}

function toDecimal(node: unknown): string | undefined {
  return typeof node === 'number' || typeof node === 'string' ? normalizeDecimal(String(node)) : undefined
}

function showNodes(nodes: readonly unknown[]): Seen {
  const [first] = nodes
  if (nodes.length === 0) return null
  if (nodes.length === 1 && (typeof first === 'number' || typeof first === 'boolean' || first === null)) {
    return first
  }
  const text = nodes.length === 1 && typeof first === 'string' ? first : JSON.stringify(nodes)
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text
}

/**
 * Prepares a condition {@link isFileChanged}: what the agent's registration file has at the path differs from what its file
 * before had. A file that cannot be had changes nothing. The first one is what the next is compared with.
 */
export function compileFileChanged(condition: Condition, position: number): CompiledStateful {
  const { path, from, to } = condition.config
  return {
    ...condition,
    position,
    last: false,
    scopeOf: ({ agent_id }) => agent_id ?? '',
    step(state, event, file) {
      const isRead = usesFile(event.event_type) && file?.status === 'fetched' && file.json !== undefined
      if (!isRead || fileNeedOf(event) === undefined) {
        return { holds: false, seen: file?.error ?? null, state }
      }
      const nodes = readJsonPath(file.json, String(path))
      const now = keyOf(nodes)
      const before = state?.value
      const holds = typeof before === 'string' && before !== now && isOneOf(before, from) && isOneOf(now, to)
      return { holds, seen: showNodes(nodes), state: before === now ? state : { value: now } }
    },
  }
}

/** What stands for the values in the state: themselves as JSON, or its hash if that is long. */
function keyOf(nodes: readonly unknown[]): string {
  return shortKey(JSON.stringify(nodes))
}

/** `null` is nothing: no value there, or null itself. Not given: anything. */
function isOneOf(key: string, wanted: unknown): boolean {
  if (wanted === undefined) return true
  return key === keyOf([wanted]) || (wanted === null && key === '[]')
}
