import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js'
import { PermanentError } from '../../src/errors.ts'
import { McpHttpError } from './mcp-errors.ts'
import { watchEvents } from './watch-events.ts'

/** The part of the guarded HTTP client that MCP needs. Redirects come back as they are; bodies end in an error at `bytesMax`. */
export type McpHttp = {
  fetch(
    url: string,
    init: {
      method: string
      headers: Record<string, string>
      body?: string
      signal: AbortSignal
      /** For the whole exchange, connection to last byte. Without it, only what comes before the body is bounded. */
      timeoutMs?: number
      bytesMax: number
    },
  ): Promise<Response>
}

/** Of one answer, and of one event of a stream. A tool's result is text for a model, or an image at most. */
export const answerBytesMax = 2 * 1024 * 1024

/** Of a stream over its whole life; after that a new session begins. */
const streamBytesMax = 64 * 1024 * 1024

/** No action may take longer. Each request also ends with the signal of its own call. */
const requestTimeoutMs = 65_000
/** For what nobody waits for: that something was cancelled, that the session ends. */
const noticeTimeoutMs = 2_000

const errorTextBytesMax = 1024

/** What the requests of one session have in common with those who wait for them. */
export type SessionWires = {
  endpoint: URL
  token: string | undefined
  /** Ends the request with this JSON-RPC id, also when the session is closed. `undefined`: nobody waits. */
  signalOf(id: unknown): AbortSignal | undefined
  /** Whether a stream for what the server says by itself is worth a connection. Asked each time that one is to be opened. */
  mayListen(): boolean
  /** The stream in which the answer to a request was to come is at its end. */
  answerEnded(id: unknown, end: { error: unknown; resumable: boolean }): void
  /** The stream for everything else could not be opened, or is at its end. */
  listenEnded(error: unknown): void
  usesVersion(version: string): void
}

/** `fetch` for the transports of one session: guarded, bounded, with the token, without redirects. */
export function createSessionFetch(http: McpHttp, wires: SessionWires): FetchLike {
  return async (url, init = {}) => {
    const target = new URL(url)
    // The transports see to it as well. A token must not depend on that.
    if (target.origin !== wires.endpoint.origin) {
      throw new PermanentError(`the server names an address at another origin: ${target.origin}`)
    }
    const { method = 'GET' } = init
    const headers: Record<string, string> = {
      ...Object.fromEntries(new Headers(init.headers)),
      'user-agent': 'Tocsin',
      ...(wires.token === undefined ? {} : { authorization: `Bearer ${wires.token}` }),
    }
    const version = headers['mcp-protocol-version']
    if (version !== undefined) wires.usesVersion(version)
    const ending = init.signal ?? new AbortController().signal

    if (method === 'GET') {
      const resumes = headers['last-event-id'] !== undefined
      if (!resumes && !wires.mayListen()) return new Response(null, { status: 405 })
      return listen(http, wires, target.href, { headers, signal: ending, resumes })
    }

    const { body } = init
    const id = typeof body === 'string' ? idOf(body) : undefined
    const waiting = wires.signalOf(id)
    const response = await http.fetch(target.href, {
      method,
      headers,
      ...(typeof body === 'string' ? { body } : {}),
      signal: waiting ?? ending,
      timeoutMs: waiting === undefined ? noticeTimeoutMs : requestTimeoutMs,
      bytesMax: answerBytesMax,
    })
    refuseRedirect(response, target)
    if (method === 'POST' && !response.ok) throw await toHttpError(response)
    if (id === undefined || response.body === null || !isEventStream(response)) return response
    return withBody(
      response,
      watchEvents(response.body, {
        eventBytesMax: answerBytesMax,
        tooLarge,
        onEnd: (end) => wires.answerEnded(id, end),
      }),
    )
  }
}

async function listen(
  http: McpHttp,
  wires: SessionWires,
  url: string,
  options: { headers: Record<string, string>; signal: AbortSignal; resumes: boolean },
): Promise<Response> {
  const { headers, signal, resumes } = options
  // What a stream that resumes another one carries is an answer, and ends in the time of the call that waits for it.
  const ended = (error: unknown) => {
    if (!resumes) wires.listenEnded(error)
  }
  try {
    const response = await http.fetch(url, {
      method: 'GET',
      headers,
      signal,
      bytesMax: streamBytesMax,
    })
    refuseRedirect(response, new URL(url))
    if (!response.ok) {
      const error = await toHttpError(response)
      ended(error)
      return new Response(error.text, { status: error.status })
    }
    if (response.body === null || !isEventStream(response)) {
      void response.body?.cancel()
      throw new PermanentError(
        `the server answers with ${response.headers.get('content-type') ?? 'no type'} where MCP has an event stream`,
      )
    }
    return withBody(
      response,
      watchEvents(response.body, {
        eventBytesMax: answerBytesMax,
        tooLarge,
        onEnd: ({ error }) => ended(error),
      }),
    )
  } catch (error) {
    ended(error)
    throw error
  }
}

export function tooLarge(): PermanentError {
  return new PermanentError(`the server's answer is larger than ${answerBytesMax} bytes`)
}

function refuseRedirect(response: Response, from: URL): void {
  if (response.status < 300 || response.status > 399) return
  void response.body?.cancel()
  const location = response.headers.get('location') ?? ''
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined
  throw new PermanentError(
    `the server redirects elsewhere (HTTP ${response.status}), and redirects are not followed${to === undefined ? '' : `: it says ${to.origin}${to.pathname}`}`,
  )
}

async function toHttpError(response: Response): Promise<McpHttpError> {
  let text = ''
  try {
    const decoder = new TextDecoder()
    // Leaving the loop cancels the rest.
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      if (text.length >= errorTextBytesMax) break
    }
  } catch {
    // The status says enough.
  }
  const seconds = Number(response.headers.get('retry-after'))
  return new McpHttpError(
    response.status,
    text.slice(0, errorTextBytesMax),
    seconds > 0 ? seconds * 1000 : undefined,
  )
}

function isEventStream(response: Response): boolean {
  return /^\s*text\/event-stream\s*(;|$)/i.test(response.headers.get('content-type') ?? '')
}

function withBody({ status, headers }: Response, body: ReadableStream<Uint8Array>): Response {
  return new Response(body, { status, headers })
}

function idOf(body: string): unknown {
  return (JSON.parse(body) as { id?: unknown }).id
}
