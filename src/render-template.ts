import type { DeliveryKind, DeliveryScope } from './delivery-scope.ts'
import { describeTemplateError, TemplateError } from './templates/describe-template-error.ts'
import { type Budget, createEmitter, type Emitter, type Escape } from './templates/emitters.ts'
import { type Run, startRun } from './templates/engine.ts'
import { type JsonValue, valueKey } from './templates/json-value.ts'
import { outputBytesMax, tooLarge } from './templates/limits.ts'
import { isJsonText, isOutput, textOf, unwrap } from './templates/output.ts'

export { checkTemplate } from './templates/check-template.ts'
export type { DeliveryScope, JsonValue }

/**
 * The body of a request: the default payload, or what the template makes of the scope.
 *
 * In a template that is a JSON value each string is rendered by itself and stays that string, and `{"$value": "…"}` becomes a
 * value: nothing that a chain says can change the form of the body. A template that is one string makes the whole body.
 *
 * @param options.contentType of the body. What a string takes from the scope is written so that it cannot break out of JSON,
 *   XML or HTML. Not given: a string that begins like JSON is.
 * @param options.path how errors call the template.
 * @throws PermanentError when the template names something that is not there (and then what is), or does more than it may.
 */
export function renderBody(
  template: JsonValue | undefined,
  scope: DeliveryScope,
  options: { contentType?: string | undefined; path?: string } = {},
): string {
  if (template === undefined) return JSON.stringify(defaultPayload(scope))
  const { path = 'body_template' } = options
  const body =
    typeof template === 'string'
      ? renderText(template, scope, {
          escape: bodyEscape(template, options.contentType),
          path,
        })
      : JSON.stringify(renderTree(template, scope, path))
  if (Buffer.byteLength(body) > outputBytesMax) throw tooLarge()
  return body
}

/** The body of a request that is about several matches: the default payload of each. */
export function renderBatch(id: string, scopes: readonly DeliveryScope[]): string {
  return JSON.stringify({
    type: 'trigger.matched.batch',
    version: 1,
    batch_id: id,
    matches: scopes.map(defaultPayload),
  })
}

/**
 * A JSON value, for the arguments of a call: like a body that is a JSON value, but not made to text.
 *
 * @param path how errors call the template.
 * @throws PermanentError like {@link renderBody}.
 */
export function renderValue(
  template: JsonValue,
  scope: DeliveryScope,
  path = 'arguments_template',
): JsonValue {
  const value = renderTree(template, scope, path)
  if (Buffer.byteLength(JSON.stringify(value)) > outputBytesMax) throw tooLarge()
  return value
}

/**
 * One text. What it takes from the scope is escaped for where it goes, once, as it is written: no filter and no variable
 * takes that away. (There is no `markdown` here: within bold text, Telegram's old Markdown knows no way to escape.)
 *
 * @param options.path how errors call the template.
 * @throws PermanentError like {@link renderBody}.
 */
export function renderText(
  template: string,
  scope: DeliveryScope,
  options: { escape: Escape; path: string },
): string {
  return renderString(template, startTemplate(scope), options.escape, options.path)
}

type Rendering = { run: Run; budget: Budget; scope: object }

function startTemplate(scope: DeliveryScope): Rendering {
  return { run: startRun(scope), budget: { used: 0 }, scope }
}

function renderTree(template: JsonValue, scope: DeliveryScope, path: string): JsonValue {
  const rendering = startTemplate(scope)
  const render = (value: JsonValue, path: string): JsonValue => {
    if (typeof value === 'string') return renderString(value, rendering, 'none', path)
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((item, index) => render(item, `${path}[${index}]`))
    const entries = Object.entries(value)
    const expression = entries.length === 1 ? (value as Record<string, JsonValue>)[valueKey] : undefined
    if (typeof expression === 'string') return renderExpression(expression, rendering, `${path}.${valueKey}`)
    return Object.fromEntries(entries.map(([key, item]) => [key, render(item, `${path}.${key}`)]))
  }
  return render(template, path)
}

function renderString(text: string, rendering: Rendering, mode: Escape, path: string): string {
  if (!text.includes('{')) return text
  const emitter = createEmitter(mode, rendering.budget)
  renderTo(text, rendering, emitter, path)
  return emitter.buffer
}

function renderExpression(expression: string, rendering: Rendering, path: string): JsonValue {
  let found: unknown
  const emitter: Emitter = {
    buffer: '',
    write: (part) => {
      found = isOutput(part) ? unwrap(part) : part
    },
  }
  renderTo(`{{ ${expression} }}`, rendering, emitter, path)
  if (typeof found === 'string' || isJsonText(found) || found instanceof Date) return textOf(found)
  return (found ?? null) as JsonValue
}

function renderTo(text: string, { run, scope }: Rendering, emitter: Emitter, path: string): void {
  try {
    run.render(text, emitter)
  } catch (error) {
    throw new TemplateError(path, describeTemplateError(error, scope))
  }
}

const payloadTypes: Record<DeliveryKind, string> = {
  match: 'trigger.matched',
  test: 'trigger.matched',
  alert: 'trigger.alert',
  retraction: 'trigger.retracted',
  reinstatement: 'trigger.reinstated',
}

function defaultPayload({ event, trigger, match, delivery, test, alert }: DeliveryScope) {
  return {
    type: payloadTypes[delivery.kind],
    version: 1,
    delivery_id: delivery.id,
    ...(delivery.original_id === null ? {} : { original_delivery_id: delivery.original_id }),
    ...(test ? { test } : {}),
    trigger: { id: trigger.id, name: trigger.name, version: trigger.version },
    event,
    match: { kind: match.kind, evidence: match.evidence },
    ...(alert === undefined ? {} : { alert }),
  }
}

function bodyEscape(template: string, contentType: string | undefined): Escape {
  if (contentType === undefined) return beginsLikeJson(template) ? 'json' : 'none'
  const [mediaType = ''] = contentType.toLowerCase().split(';')
  if (/[/+]json\s*$/.test(mediaType)) return 'json'
  return /[/+](?:xml|html)\s*$/.test(mediaType) ? 'html' : 'none'
}

function beginsLikeJson(template: string): boolean {
  const start = template.replace(/^(?:\s+|\{%[^%]*%\})+/, '')
  return /^(?:"|\{\s*["}]|\[\s*(?:["\d[\]{-]|true|false|null))/.test(start)
}
