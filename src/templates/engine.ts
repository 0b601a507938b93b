import {
  CaptureTag,
  Context,
  Liquid,
  Output as OutputTemplate,
  type Template,
  TokenKind,
  TypeGuards,
  toValueSync,
} from 'liquidjs'
import type { Emitter } from './emitters.ts'
import { filters } from './filters.ts'
import { renderMemory, renderTimeMs, templateLengthMax } from './limits.ts'
import { textOf, toOutput } from './output.ts'

/** Characters of all the templates that are kept parsed. Parsed they take some fifty times as much memory. */
const cachedLengthMax = 2_000_000

/** Parsed: Liquid's own form and, for text with plain names alone (most templates), one that needs no Liquid. */
type Parsed = { templates: Template[]; parts: readonly (string | readonly string[])[] | undefined }

const engine = createEngine()
const cache = new Map<string, Parsed>()
let cachedLength = 0

/** What renders the strings of one template. They share its time, and no variables. */
export type Run = {
  /** Writes what the text makes to the emitter. @throws whatever Liquid does. */
  render(text: string, emitter: Emitter): void
}

/** @param scope what the template can name: plain data, which it cannot change. */
export function startRun(scope: object): Run {
  let renderLimit: Context['renderLimit'] | undefined
  return {
    render: (text, emitter) => {
      const { templates, parts } = parseCached(text)
      const values = parts?.map((part) => (typeof part === 'string' ? part : lookUp(scope, part)))
      if (values !== undefined && !values.includes(undefined)) {
        for (const value of values) emitter.write(value)
        return
      }
      const options = { sync: true, renderLimit: renderTimeMs }
      const shared = renderLimit === undefined ? {} : { renderLimit }
      const context = new Context(scope, engine.options, options, { liquid: engine, ...shared })
      renderLimit = context.renderLimit
      toValueSync(engine.renderer.renderTemplates(templates, context, emitter))
    },
  }
}

/** The names that a template takes from its scope, as paths: `[['event', 'tag1'], …]`. @throws when it cannot be parsed. */
export function findNames(text: string): (string | number | object)[][] {
  return engine.globalVariableSegmentsSync(engine.parse(text)) as (string | number | object)[][]
}

/** Whether the text is one `{{ … }}` and nothing else. @throws when it cannot be parsed. */
export function isOneOutput(text: string): boolean {
  const templates = engine.parse(text)
  return templates.length === 1 && templates[0] instanceof OutputTemplate
}

function parseCached(text: string): Parsed {
  const found = cache.get(text)
  if (found !== undefined) return found
  const templates = engine.parse(text)
  const parsed = { templates, parts: toParts(templates) }
  cache.set(text, parsed)
  cachedLength += text.length
  for (const oldest of cache.keys()) {
    if (cachedLength <= cachedLengthMax) break
    cache.delete(oldest)
    cachedLength -= oldest.length
  }
  return parsed
}

function toParts(templates: readonly Template[]): Parsed['parts'] {
  const parts: (string | string[])[] = []
  for (const template of templates) {
    if (!(template instanceof OutputTemplate)) {
      const { str } = template as unknown as { str?: unknown }
      // Text of the author. Everything else that is no output is a tag.
      if (typeof str !== 'string' || template.token.kind !== TokenKind.HTML) return undefined
      parts.push(str)
      continue
    }
    const [token, ...operators] = template.value.initial.postfix
    // The last filter is ours, that wraps the output.
    if (token === undefined || operators.length > 0 || template.value.filters.length !== 1) return undefined
    if (!TypeGuards.isPropertyAccessToken(token) || token.variable !== undefined) return undefined
    const names = token.props.map((prop) => ('content' in prop ? prop.content : undefined))
    if (!names.every((name) => typeof name === 'string')) return undefined
    parts.push(names)
  }
  return parts
}

/** The output of a plain name; undefined where it takes Liquid to say what it is, or what is wrong with it. */
function lookUp(scope: object, names: readonly string[]): unknown {
  let found: unknown = scope
  for (const name of names) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined
    found = (found as Record<string, unknown>)[name]
  }
  return found === undefined ? undefined : toOutput(found)
}

/** Liquid as templates have it: no other files, no wall clock, nothing random, no data that is taken for a template. */
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
    locale: 'en-US',
    parseLimit: templateLengthMax,
    memoryLimit: renderMemory,
    outputEscape: toOutput as never,
  })
  // `increment` and `decrement` change the scope, which other templates of the delivery read; `tablerow` writes HTML of its own.
  for (const name of [...['include', 'render', 'layout', 'block', 'increment', 'decrement', 'tablerow']])
    delete liquid.tags[name]
  // `raw` would take the escaping away, `sample` is another one at each attempt, and the others take text for code.
  for (const name of Object.keys(liquid.filters).filter(
    (name) => name === 'raw' || name === 'sample' || name.endsWith('_exp'),
  ))
    liquid.unregisterFilter(name)
  for (const [name, filter] of Object.entries(filters)) liquid.registerFilter(name, filter)
  liquid.registerFilter('jsonify', filters.json as never)
  fixNow(liquid)

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

const withoutZone = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?$/

/** `now` is the time of the event's block, and a time without a zone is in UTC: what is sent is the same for every attempt. */
function fixNow(liquid: Liquid): void {
  for (const name of Object.keys(liquid.filters).filter((name) => name.startsWith('date'))) {
    const format = liquid.filters[name] as (this: { context: Context }, ...given: unknown[]) => unknown
    liquid.registerFilter(name, function (this: { context: Context }, value: unknown, ...options: unknown[]) {
      const text = textOf(value)
      const { event } = this.context.environments as { event?: { block_time?: unknown } }
      const isNow = text === 'now' || text === 'today'
      const time = isNow ? textOf(event?.block_time) : withoutZone.test(text) ? `${text}Z` : value
      return format.call(this, time, ...options)
    })
  }
}
