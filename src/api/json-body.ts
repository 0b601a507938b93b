import type { Context } from 'hono'
import { findJsonError } from './find-json-error.ts'
import { ProblemError } from './problem.ts'

/**
 * The body of a request as JSON.
 *
 * @throws ProblemError 415 if it says to be something else, 400 with the position if it is no JSON.
 */
export async function readJsonBody(c: Context): Promise<unknown> {
  const [mediaType = ''] = (c.req.header('content-type') ?? '').split(';')
  if (mediaType.trim().toLowerCase() !== 'application/json') {
    const found = mediaType === '' ? 'it has none' : `it is ${JSON.stringify(mediaType.slice(0, 100))}`
    throw new ProblemError(415, `The content-type has to be application/json; ${found}.`)
  }

  const text = decode(await c.req.arrayBuffer())
  try {
    return JSON.parse(text)
  } catch {
    const { line, column, message } = findJsonError(text)
    throw new ProblemError(400, `The body is not valid JSON: line ${line}, column ${column}: ${message}.`)
  }
}

function decode(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ProblemError(400, 'The body is not valid UTF-8.')
  }
}
