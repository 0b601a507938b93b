import { z } from 'zod'
import { parsePauseMs } from './parse-pause.ts'
import { checkTemplate, type JsonValue } from './render-template.ts'

/** An object with these keys and no others; the error for another one says which there are. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape)
  const known = names.length === 0 ? 'nothing is known here' : `known are ${names.join(', ')}`
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? `unknown; ${known}` : 'expected an object'),
  })
}

export function text(min: number, max: number) {
  const error = `expected a text of ${min === 0 ? 'at most' : `${min} to`} ${max} characters`
  return z.string({ error }).min(min, { error }).max(max, { error })
}

export function integer(min: number, max: number) {
  const error = `expected a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}

/** A span of time as text, such as `30s`; src/parse-pause.ts reads it, and so does Postgres as an interval. */
export function pause() {
  const error = 'expected a pause from 1s to 24h, such as 30s, 5m or 2h'
  return z.string({ error }).refine((value) => parsePauseMs(value) !== undefined, { error })
}

export function flag() {
  return z.boolean({ error: 'expected true or false' })
}

/** A JSON value whose texts are templates, with every mistake that shows without an event. */
export function template() {
  return z.custom<JsonValue>().superRefine((value, context) => {
    if (value === undefined) return
    for (const { path, message } of checkTemplate(value)) context.addIssue({ code: 'custom', path, message })
  })
}

/** The URL of a server that a user names. No template: where a delivery goes must be known before there is an event. */
export function serverUrl() {
  return text(1, 2048).superRefine((value, context) => {
    const problem = checkUrl(value)
    if (problem !== undefined) context.addIssue(problem)
  })
}

export function isTemplate(value: string): boolean {
  return value.includes('{{') || value.includes('{%')
}

function checkUrl(value: string): string | undefined {
  const expected = 'expected a URL that begins with http:// or https://'
  if (!URL.canParse(value)) return expected
  const url = new URL(value)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return expected
  if (url.username !== '' || url.password !== '') {
    return `${expected}, without a user name or password in it: put them into a header`
  }
  if (isTemplate(value)) return `${expected}: a URL is no template`
  return undefined
}
