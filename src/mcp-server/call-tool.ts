import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { DescribedTool } from './describe-tools.ts'
import { readLines } from './read-lines.ts'

/** Asks a route of the API, as whoever called the tool. */
export type AskRoute = (
  path: string,
  request: { method: string; headers: Record<string, string>; body?: string; signal: AbortSignal },
) => Promise<Response>

export type Progress = { share: number; message: string }

/** More than a model can use; a page that is larger is asked for again with fewer rows. */
const charactersMax = 60_000

/** Clients wait a minute unless they are told that something goes on. */
const waitMaxMs = { silent: 50_000, reporting: 10 * 60_000 }

/** Calls the route of a tool. Whatever the route answers is a result; what it refuses is one with `isError`. */
export async function callTool(
  described: DescribedTool,
  given: Record<string, unknown>,
  {
    ask,
    signal,
    onProgress,
  }: { ask: AskRoute; signal: AbortSignal; onProgress?: ((progress: Progress) => void) | undefined },
): Promise<CallToolResult> {
  const { entry, places } = described
  // Models write null for what they leave out. In a body it can mean something.
  const isGiven = ([name, value]: [string, unknown]) =>
    value !== null || ['body', 'whole', undefined].includes(places.get(name)?.in)
  const args = { ...entry.defaults, ...Object.fromEntries(Object.entries(given).filter(isGiven)) }
  const unknown = Object.keys(args).filter((name) => !places.has(name))
  if (unknown.length > 0) {
    const known = [...places.keys()].join(', ')
    return refusal(
      `There is no argument ${unknown.join(', ')}. ${known === '' ? 'None is known' : `Known are ${known}`}.`,
    )
  }

  const bounded = AbortSignal.any([
    signal,
    AbortSignal.timeout(onProgress === undefined ? waitMaxMs.silent : waitMaxMs.reporting),
  ])
  const send = async (values: Record<string, unknown>) => {
    const request = buildRequest(described, values)
    if ('wrong' in request) return refusal(request.wrong)
    const response = await ask(request.path, { ...request, signal: bounded })
    return entry.reportsProgress && response.ok
      ? readProgress(response, bounded, onProgress)
      : readAnswer(response)
  }
  const isPaged = entry.method === 'get' && places.has('limit')
  for (let limit = Number(args.limit); ; ) {
    const result = await send(isPaged && Number.isInteger(limit) ? { ...args, limit } : args)
    if (result.isError || !isTooLong(result)) return result
    if (!isPaged || !(limit > 1)) return cut(result)
    // Fewer rows keep the cursor right, which leaving some out would not.
    limit = Math.floor(limit / 2)
  }
}

function buildRequest({ entry, places }: DescribedTool, args: Record<string, unknown>) {
  let path = entry.path
  const query = new URLSearchParams()
  const headers: Record<string, string> = {
    accept: entry.reportsProgress ? 'application/x-ndjson' : 'application/json',
  }
  const fields: Record<string, unknown> = {}
  let whole: unknown
  for (const [argument, place] of places) {
    const value = args[argument]
    if (value === undefined) {
      if (place.in === 'path') return { wrong: `${argument}: expected a text.` }
      continue
    }
    if (place.in === 'path') {
      const text = toText(value)
      // In a URL these mean another path.
      if (text === '' || text === '.' || text === '..') return { wrong: `${argument}: expected an id.` }
      path = path.replace(`{${place.name}}`, () => encodeURIComponent(text.toWellFormed()))
    } else if (place.in === 'query') query.set(place.name, toText(value))
    else if (place.in === 'header') {
      const text = toText(value)
      if (!/^[\x20-\x7e]*$/.test(text)) return { wrong: `${argument}: expected printable ASCII.` }
      headers[place.name] = text
    } else if (place.in === 'body') fields[place.name] = value
    else whole = takeTag(value, headers, places)
  }
  const placed = [...places.values()]
  const body = placed.some((place) => place.in === 'whole')
    ? whole
    : placed.some((place) => place.in === 'body')
      ? fields
      : undefined
  if (body !== undefined) headers['content-type'] = 'application/json'
  return {
    path: query.size === 0 ? path : `${path}?${query}`,
    method: entry.method.toUpperCase(),
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }
}

/** What was read holds its tag, and is sent back with it: then it is changed only if it still is what was read. */
function takeTag(value: unknown, headers: Record<string, string>, places: DescribedTool['places']): unknown {
  if (!places.has('if_match') || typeof value !== 'object' || value === null || !('etag' in value))
    return value
  const { etag, ...rest } = value
  if (typeof etag === 'string' && /^[\x20-\x7e]+$/.test(etag)) headers['If-Match'] ??= etag
  return rest
}

function toText(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

async function readAnswer(response: Response): Promise<CallToolResult> {
  const text = await response.text()
  if (text === '') return toResult({ status: response.status, done: response.ok })
  const body = parse(text)
  if (body === undefined) return refusal(`The answer (status ${response.status}) cannot be shown here.`)
  if (response.ok) return toResult(withTag(body, response.headers.get('etag')))
  return refusal(describeProblem(body, response.headers.get('retry-after')), body)
}

/** The last line has the result. */
async function readProgress(
  response: Response,
  signal: AbortSignal,
  onProgress: ((progress: Progress) => void) | undefined,
): Promise<CallToolResult> {
  for await (const line of readLines(response, signal)) {
    const { progress, result, error } = (parse(line) ?? {}) as {
      progress?: { events: number; matches: number; share: number | null }
      result?: Record<string, unknown>
      error?: string
    }
    if (result !== undefined) return toResult(result)
    if (error !== undefined) return refusal(error)
    if (progress !== undefined) {
      onProgress?.({
        share: progress.share ?? 0,
        message: `${progress.events} events read, ${progress.matches} matches`,
      })
    }
  }
  return refusal('It takes too long to wait for here, and was given up. Ask for a smaller range.')
}

function toResult(value: Record<string, unknown>): CallToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(value) }], structuredContent: value }
}

function refusal(text: string, problem?: Record<string, unknown>): CallToolResult {
  return {
    isError: true,
    content: [{ type: 'text', text }],
    ...(problem === undefined ? {} : { structuredContent: problem }),
  }
}

/** What is wrong as lines of text, with every wrong field. */
function describeProblem(body: Record<string, unknown>, retryAfter: string | null): string {
  const errors = Array.isArray(body.errors) ? (body.errors as { path: string; message: string }[]) : []
  return [
    String(body.detail ?? body.title ?? 'It was refused.'),
    ...errors.map(({ path, message }) => (path === '' ? `- ${message}` : `- ${path}: ${message}`)),
    ...(retryAfter === null ? [] : [`Try again in ${retryAfter} seconds.`]),
  ].join('\n')
}

function isTooLong({ content: [first] }: CallToolResult): boolean {
  return first?.type === 'text' && first.text.length > charactersMax
}

function cut({ content: [first] }: CallToolResult): CallToolResult {
  const text = first?.type === 'text' ? first.text : ''
  const note = `\n[The answer has ${text.length} characters; these are the first ${charactersMax}. Ask for less.]`
  return { content: [{ type: 'text', text: text.slice(0, charactersMax).toWellFormed() + note }] }
}

/** A version that a later change can be held to. */
function withTag(body: Record<string, unknown>, tag: string | null): Record<string, unknown> {
  return tag === null ? body : { ...body, etag: tag }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
