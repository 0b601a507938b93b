import type { Context } from 'hono'
import { findJsonError } from './find-json-error.ts'
import { ProblemError } from './problem.ts'

/** No document of ours needs half of it; what is deeper was made to hurt whoever walks over it. */
const depthMax = 32

/**
 * The body of a request as JSON.
 *
 * @throws ProblemError 415 if it says to be something else, 400 with the position if it is no JSON, with the path if it is too deep.
 */
export async function readJsonBody(c: Context): Promise<unknown> {
  const [mediaType = ''] = (c.req.header('content-type') ?? '').split(';')
  if (mediaType.trim().toLowerCase() !== 'application/json') {
    const found = mediaType === '' ? 'it has none' : `it is ${JSON.stringify(mediaType.slice(0, 100))}`
    throw new ProblemError(415, `The content-type has to be application/json; ${found}.`)
  }

  const text = decode(await c.req.arrayBuffer())
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    const { line, column, message } = findJsonError(text)
    const detail = `The body is not valid JSON: line ${line}, column ${column}: ${message}.`
    throw new ProblemError(400, detail, { type: 'invalid-json' })
  }
  const path = findTooDeep(value, [])
  if (path !== undefined) {
    const message = `nested deeper than ${depthMax} levels`
    throw new ProblemError(400, `The body is ${message}.`, {
      type: 'invalid-json',
      problems: [{ path, message }],
    })
  }
  return value
}

/** The path to something that is nested too deep. */
function findTooDeep(value: unknown, path: (string | number)[]): (string | number)[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (path.length >= depthMax) return path
  const entries = Array.isArray(value) ? value.entries() : Object.entries(value)
  for (const [key, item] of entries) {
    if (typeof item !== 'object' || item === null) continue
    const found = findTooDeep(item, [...path, key])
    if (found !== undefined) return found
  }
  return undefined
}

function decode(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ProblemError(400, 'The body is not valid UTF-8.', { type: 'invalid-json' })
  }
}
