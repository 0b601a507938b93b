import { CaptureTag, type Context, Liquid, LiquidError } from 'liquidjs'
import type { Problem } from './conditions/check-conditions.ts'
import { describeError, PermanentError } from './errors.ts'
import { eventFields, type RegistryEvent } from './event.ts'

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** What a template can name. */
export type DeliveryScope = {
  event: RegistryEvent
  trigger: { id: string; name: string; version: number }
  /** The evidence of every condition, in order. */
  match: { evidence: unknown }
  /** `attempt` is 1 for the first; a body that uses it is not the same for every attempt. */
  delivery: { id: string; attempt: number }
}

const templateLengthMax = 65_536
const outputBytesMax = 1_048_576
/** For all strings of one template together. An honest one takes well under a millisecond; a busy machine may pause it. */
const renderTimeMs = 1000
/** Characters and list items that one string's filters and loops may make. */
const renderMemory = 4_194_304

/** Names of a {@link DeliveryScope}, so that a misspelt one is found when the template is written. */
const scopeNames: Record<keyof DeliveryScope, readonly string[]> = {
  event: [
    ...['id', 'seq', 'chain_id', 'block_number', 'block_hash', 'block_time', 'transaction_hash'],
    ...['transaction_index', 'log_index', 'contract_address', 'registry', 'event_type', 'occurrence', 'args'],
    ...Object.keys(eventFields),
  ],
  trigger: ['id', 'name', 'version'],
  match: ['evidence'],
  delivery: ['id', 'attempt'],
}

const engine = createEngine()

/**
 * The body of a request: the default payload, or what the template makes of the scope.
 *
 * In a template that is a JSON value each string is rendered by itself and stays that string: nothing that a chain says can
 * end it. A template that is one string makes the whole body; what it takes from the scope it passes through the filter `json`.
 *
 * @throws PermanentError when the template names something that is not there (and then what is), or does more than it may.
 */
export function renderBody(template: JsonValue | undefined, scope: DeliveryScope): string {
  // Templates see what the default payload shows: times as ISO text, nothing but plain data.
  const plain = JSON.parse(JSON.stringify(scope)) as DeliveryScope
  if (template === undefined) return JSON.stringify(defaultPayload(plain))

  const deadline = performance.now() + renderTimeMs
  let length = 0
  const renderText = (text: string, path: string) => {
    const rendered = renderString(text, plain, path, deadline - performance.now())
    length += rendered.length
    if (length > outputBytesMax) throw tooLarge()
    return rendered
  }
  const body =
    typeof template === 'string'
      ? renderText(template, 'body_template')
      : JSON.stringify(mapStrings(template, 'body_template', renderText))
  if (Buffer.byteLength(body) > outputBytesMax) throw tooLarge()
  return body
}

/** Every mistake in a template that can be seen without an event: its syntax, and names that no scope has. */
export function checkTemplate(template: JsonValue): Problem[] {
  if (typeof template === 'string') return checkString(template).map((message) => ({ path: [], message }))
  if (typeof template !== 'object' || template === null) return []
  return Object.entries(template).flatMap(([key, value]) => {
    const name = Array.isArray(template) ? Number(key) : key
    return checkTemplate(value).map(({ path, message }) => ({ path: [name, ...path], message }))
  })
}

function defaultPayload({ event, trigger, match, delivery }: DeliveryScope) {
  return {
    type: 'trigger.matched',
    version: 1,
    delivery_id: delivery.id,
    trigger: { id: trigger.id, name: trigger.name, version: trigger.version },
    event,
    match: { evidence: match.evidence },
  }
}

function createEngine(): Liquid {
  const liquid = new Liquid({
    // No template can reach another one, let alone a file.
    templates: {},
    strictVariables: true,
    strictFilters: true,
    // `{% if event.args.x %}` and `| default:` are how a template asks for what may be missing.
    lenientIf: true,
    ownPropertyOnly: true,
    timezoneOffset: 0,
    parseLimit: templateLengthMax,
    memoryLimit: renderMemory,
  })
  for (const name of ['include', 'render', 'layout', 'block']) delete liquid.tags[name]
  // Captured text counts like any other: without this, filters that do not count could be given gigabytes.
  liquid.registerTag(
    'capture',
    class extends CaptureTag {
      override *render(context: Context): Generator<unknown, void, string> {
        yield* super.render(context)
        const captured = (context.bottom() as Record<string, unknown>)[this.variable]
        context.memoryLimit.use(String(captured).length)
      }
    },
  )
  return liquid
}

function renderString(text: string, scope: DeliveryScope, path: string, timeMs: number): string {
  if (!text.includes('{')) return text
  try {
    const rendered: unknown = engine.renderSync(engine.parse(text), scope, {
      renderLimit: Math.max(timeMs, 0),
    })
    // A filter may have cut a character of two code units apart. Such text has no UTF-8.
    return String(rendered).toWellFormed()
  } catch (error) {
    const missing = missingVariable(error)
    const reason = missing === undefined ? describeLiquidError(error) : describeMissing(missing, scope)
    throw new PermanentError(`${path}: ${reason}`)
  }
}

function checkString(text: string): string[] {
  try {
    const unknown = engine
      .globalVariableSegmentsSync(engine.parse(text))
      .map((segments) => segments.slice(0, 2))
      .filter(([root, name]) => {
        const names: readonly string[] | undefined = scopeNames[root as keyof DeliveryScope]
        return names === undefined || (typeof name === 'string' && !names.includes(name) && name !== 'size')
      })
    return [...new Set(unknown.map(([root, name]) => describeUnknown(String(root), name)))]
  } catch (error) {
    return [describeLiquidError(error)]
  }
}

function describeUnknown(root: string, name: unknown): string {
  const names = scopeNames[root as keyof DeliveryScope]
  return names === undefined
    ? `${root} is not there. There are ${Object.keys(scopeNames).join(', ')}`
    : `${root}.${name} is not there. ${root} has ${names.join(', ')}`
}

/** The name that a strict template could not find, such as `event.args.x`. */
function missingVariable(error: unknown): string | undefined {
  const original = error instanceof LiquidError ? error.originalError : undefined
  return original !== undefined && 'variableName' in original ? String(original.variableName) : undefined
}

function describeMissing(missing: string, scope: DeliveryScope): string {
  let found: unknown = scope
  const known: string[] = []
  for (const name of missing.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) break
    found = (found as Record<string, unknown>)[name]
    known.push(name)
  }
  const names = typeof found === 'object' && found !== null ? Object.keys(found) : []
  const there = names.length === 0 ? 'nothing' : names.join(', ')
  return `${missing} is not there. ${known.length === 0 ? `There are ${there}` : `${known.join('.')} has ${there}`}`
}

function describeLiquidError(error: unknown): string {
  if (
    error instanceof RangeError ||
    (error instanceof LiquidError && error.originalError instanceof RangeError)
  )
    return tooLarge().message
  const message = error instanceof Error ? error.message : describeError(error)
  return message
    .replace('memory alloc limit exceeded', 'the template makes too much text or too many rounds of a loop')
    .replace('template render limit exceeded', `the template took longer than ${renderTimeMs} ms`)
    .replace('parse length limit exceeded', `the template is longer than ${templateLengthMax} characters`)
    .replace(/, line:(\d+), col:(\d+)$/, ' (line $1, column $2)')
}

function tooLarge(): PermanentError {
  return new PermanentError(`The template makes a body of more than ${outputBytesMax} bytes`)
}

function mapStrings(
  value: JsonValue,
  path: string,
  change: (text: string, path: string) => string,
): JsonValue {
  if (typeof value === 'string') return change(value, path)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item, index) => mapStrings(item, `${path}[${index}]`, change))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, mapStrings(item, `${path}.${key}`, change)]),
  )
}
