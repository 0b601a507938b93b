import { setMaxListeners } from 'node:events'
import { Agent, type Dispatcher, request, fetch as undiciFetch } from 'undici'
import { RetryableError } from '../src/errors.ts'
import type { OutboundPolicy } from '../src/outbound/judge-address.ts'
import { boundResponse } from './guard/bound-response.ts'
import { checkUrl } from './guard/check-url.ts'
import { createGuardedConnector } from './guard/connector.ts'
import { describeCallError } from './guard/describe-call-error.ts'
import { createSystemResolve, type Resolve } from './guard/resolve-allowed.ts'

export type HttpRequest = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  headers: Record<string, string>
  body: string | undefined
  /** For the whole exchange, connection to last byte. */
  timeoutMs: number
}

/** What is kept of an answer. `body` holds the first 4 KiB of it as text. */
export type HttpResponse = {
  status: number
  headers: Record<string, string>
  body: string
  bodyTruncated: boolean
}

export type FetchInit = RequestInit & {
  /** For the whole exchange, DNS to the last byte of the body. Without it there is no end: for event streams. */
  timeoutMs?: number
  /** Of the body, unpacked. 16 MiB without it; `Infinity` for an event stream that may go on for days. */
  bytesMax?: number
}

export type HttpClient = {
  /**
   * Sends one request and keeps the start of the answer.
   *
   * @throws PermanentError when the address is refused or the request is not one; RetryableError for all that may pass.
   */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>
  /**
   * `fetch`, through the same guard: the body is a stream; redirects are handed back, not followed. Fits the `fetch` option of
   * the MCP SDK's transports.
   *
   * @throws PermanentError when the address is refused or the answer is larger than `bytesMax` (then from the reading of the
   *   body, too); RetryableError for all that may pass; the signal's own reason when `init.signal` ended it.
   */
  fetch(url: string | URL, init?: FetchInit): Promise<Response>
  /** Ends all connections, and whatever is still on its way. */
  close(): Promise<void>
}

const keptBodyBytesMax = 4096
const fetchBodyBytesMax = 16 * 1024 * 1024

/** How long headers may take in a `fetch` without a deadline of its own. */
const headersMaxMs = 60_000

/**
 * The one place that opens addresses which users name. Every connection is checked against the policy when it is made
 * (guard/connector.ts). A client has connections of its own: none is shared with a client of another policy.
 */
export function createHttpClient(
  policy: OutboundPolicy,
  { resolve = createSystemResolve(), ca }: { resolve?: Resolve; ca?: string } = {},
): HttpClient {
  const agent = new Agent({
    connect: createGuardedConnector({ policy, resolve, ca }),
    // Bounded by the request's own timeout; a peer that trickles headers must not hold a slot longer than that.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16 * 1024,
    keepAliveTimeout: 10_000,
    // Pings would keep idle HTTP/2 connections from being seen as such.
    pingInterval: 0,
  })
  return {
    send: async (options, signal) => {
      const deadline = startDeadline(options.timeoutMs, signal)
      try {
        const call = request(checkUrl(options.url), {
          method: options.method,
          headers: options.headers,
          body: options.body ?? null,
          dispatcher: agent,
          signal: deadline.signal,
        })
        // undici looks at the signal when the connection is there: until then, for DNS, TCP and TLS, somebody else must.
        const response = await Promise.race([call, deadline.aborted])
        const { body, bodyTruncated } = await readStart(response.body)
        return { status: response.statusCode, headers: flatten(response.headers), body, bodyTruncated }
      } catch (error) {
        throw deadline.passed() ? late(options.timeoutMs) : describeCallError(error, options.url)
      } finally {
        deadline.end()
      }
    },

    fetch: async (url, { timeoutMs, bytesMax = fetchBodyBytesMax, ...init } = {}) => {
      const checked = checkUrl(url)
      const headers = new Headers(init.headers)
      // What comes unpacked cannot unpack into more. Where it comes packed all the same, the limit is on what it unpacks to.
      if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'identity')
      const headersWithinMs = timeoutMs ?? headersMaxMs
      const deadline = startDeadline(headersWithinMs, init.signal ?? undefined)
      const translate = (error: unknown) => {
        if (deadline.passed()) return late(headersWithinMs)
        return init.signal?.aborted ? init.signal.reason : describeCallError(error, checked.href)
      }
      try {
        const response = await undiciFetch(checked, {
          ...(init as object),
          headers: [...headers],
          redirect: 'manual',
          dispatcher: agent,
          signal: deadline.signal,
        })
        if (timeoutMs === undefined) deadline.lift()
        // The types of undici and of Node's own fetch are of two versions of one thing.
        return boundResponse(response, bytesMax, deadline.end, translate) as unknown as Response
      } catch (error) {
        deadline.end()
        throw translate(error)
      }
    },

    // Not close(): it would wait for event streams that never end.
    close: () => agent.destroy(),
  }
}

type Deadline = {
  signal: AbortSignal
  /** Rejects when the signal is aborted. */
  aborted: Promise<never>
  /** Whether it was the time that ended the call. */
  passed: () => boolean
  /** Takes the time away, and leaves the outer signal. */
  lift: () => void
  end: () => void
}

/** Signals that may have any number of listeners. */
const shared = new WeakSet<AbortSignal>()

/** Aborts after a time or with another signal. AbortSignal.any and timeout would outlive the call. */
function startDeadline(timeoutMs: number, outer: AbortSignal | undefined): Deadline {
  const controller = new AbortController()
  let passed = false
  let reject: (reason: unknown) => void
  const aborted = new Promise<never>((_, rejectIt) => {
    reject = rejectIt
  })
  aborted.catch(() => {})
  const abort = () => {
    controller.abort(outer?.reason)
    reject(controller.signal.reason)
  }
  const timer = setTimeout(() => {
    passed = true
    controller.abort()
    reject(controller.signal.reason)
  }, timeoutMs)
  // One signal ends all calls of a worker: many listeners are no leak.
  if (outer !== undefined && !shared.has(outer)) {
    setMaxListeners(0, outer)
    shared.add(outer)
  }
  if (outer?.aborted) abort()
  else outer?.addEventListener('abort', abort, { once: true })
  return {
    signal: controller.signal,
    aborted,
    passed: () => passed,
    lift: () => clearTimeout(timer),
    end: () => {
      clearTimeout(timer)
      outer?.removeEventListener('abort', abort)
    },
  }
}

function late(timeoutMs: number): RetryableError {
  return new RetryableError(`no answer within ${timeoutMs} ms`)
}

/** With listeners: an async iterator costs a third of the whole call. */
function readStart(
  stream: Dispatcher.ResponseData['body'],
): Promise<{ body: string; bodyTruncated: boolean }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    const finish = () => {
      const kept = Buffer.concat(chunks).subarray(0, keptBodyBytesMax)
      resolve({ body: kept.toString('utf8'), bodyTruncated: sizeBytes > keptBodyBytesMax })
    }
    stream.on('error', reject)
    stream.on('end', finish)
    // Without this, a body that is destroyed before its end would be waited for for ever.
    stream.on('close', () => {
      if (!stream.readableEnded) reject(new RetryableError('the answer broke off'))
    })
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      sizeBytes += chunk.length
      if (sizeBytes <= keptBodyBytesMax) return
      finish()
      // The rest is not read, however long it is.
      stream.destroy()
    })
  })
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]))
}
