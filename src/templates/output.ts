// Symbols, because data cannot have them: a file that an agent wrote must not pass for what a filter has made.
const outputKey = Symbol('output')
const jsonKey = Symbol('json')

/**
 * What a `{{ … }}` of a template says, on its way to the emitter. Only what is wrapped like this is data; all else that an
 * emitter is given was written by the template's author. It turns to plain text wherever it is not emitted (`capture`).
 */
export type Output = { readonly [outputKey]: unknown; toString(): string }

/** JSON that the filter `json` made: text to every other filter, and a whole value where JSON is written. */
export type JsonText = { readonly [jsonKey]: string; readonly length: number; toString(): string }

export function toOutput(value: unknown): Output {
  return { [outputKey]: value, toString: outputToString }
}

export function toJsonText(value: unknown): JsonText {
  const json = JSON.stringify(value) ?? 'null'
  return { [jsonKey]: json, length: json.length, toString: jsonToString }
}

export function isOutput(value: unknown): value is Output {
  return typeof value === 'object' && value !== null && outputKey in value
}

export function isJsonText(value: unknown): value is JsonText {
  return typeof value === 'object' && value !== null && jsonKey in value
}

/** What was wrapped. */
export function unwrap(output: Output): unknown {
  return output[outputKey]
}

/** A value as text: nothing for null, lists joined, other objects as JSON. A half of a character becomes U+FFFD: it has no UTF-8. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value.toWellFormed()
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(textOf).join('')
  if (value instanceof Date) return value.toISOString()
  if (typeof value !== 'object') return String(value)
  if (isOutput(value) || isJsonText(value)) return value.toString().toWellFormed()
  return JSON.stringify(value)
}

function outputToString(this: Output): string {
  return textOf(this[outputKey])
}

function jsonToString(this: JsonText): string {
  return this[jsonKey]
}
