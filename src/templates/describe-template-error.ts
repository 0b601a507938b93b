import { LiquidError } from 'liquidjs'
import { describeError, PermanentError } from '../errors.ts'
import { renderTimeMs, templateLengthMax, tooLarge } from './limits.ts'

/** A template that cannot be rendered for an event. The message begins with the path. */
export class TemplateError extends PermanentError {
  override name = 'TemplateError'
  /** Of the string, such as `body_template.text`. */
  readonly path: string
  readonly reason: string

  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`)
    this.path = path
    this.reason = reason
  }
}

/** What went wrong in a template, as its author needs to hear it. With a scope, a name that is not there says what is. */
export function describeTemplateError(error: unknown, scope?: object): string {
  const original = error instanceof LiquidError ? error.originalError : undefined
  if (original instanceof PermanentError) return original.message
  if (error instanceof RangeError || original instanceof RangeError) return tooLarge().message
  const missing = missingVariable(original)
  if (missing !== undefined && scope !== undefined) return describeMissing(missing, scope)
  const message = error instanceof Error ? error.message : describeError(error)
  return message
    .replace('memory alloc limit exceeded', 'the template makes too much text or too many rounds of a loop')
    .replace('template render limit exceeded', `the template took longer than ${renderTimeMs} ms`)
    .replace('parse length limit exceeded', `the template is longer than ${templateLengthMax} characters`)
    .replace(/, line:(\d+), col:(\d+)$/, ' (line $1, column $2)')
}

/** The name that a strict template could not find, such as `event.args.x`. */
function missingVariable(error: Error | undefined): string | undefined {
  return error !== undefined && 'variableName' in error ? String(error.variableName) : undefined
}

function describeMissing(missing: string, scope: object): string {
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
