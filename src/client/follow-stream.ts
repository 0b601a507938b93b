import { setTimeout as delay } from 'node:timers/promises'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { describeError } from '../errors.ts'
import { ApiError, type Problem } from './api-error.ts'

/** One server-sent event of `GET /v1/stream`. `id`: where to go on after it. */
export type StreamMessage = { name: string; id: string | undefined; data: Record<string, unknown> }

/** The server says something every 15 seconds: after three of them the connection is dead, whatever TCP thinks. */
const silenceMaxMs = 45_000
const retryMaxMs = 30_000

/**
 * Reads `GET /v1/stream` and goes on where it was, without a gap and without a repeat, whenever the connection ends.
 *
 * @param options.lastEventId where to begin; what comes after it follows.
 * @param options.onMessage takes one message; the next one is read when it is done. `false`: that was the last one.
 * @param options.onInterruption is told why the connection ended and when it is tried again.
 * @param options.signal ends it.
 * @returns when it was told to end, or the server has told everything (`follow=false`).
 * @throws ApiError when the server refuses it; TypeError when the first connection fails.
 */
export async function followStream(options: {
  baseUrl: string
  token: string | undefined
  query: URLSearchParams
  lastEventId?: string | undefined
  onMessage: (message: StreamMessage) => Promise<boolean>
  onInterruption?: (reason: string, waitMs: number) => void
  signal: AbortSignal
}): Promise<void> {
  const { baseUrl, token, query, onMessage, onInterruption, signal } = options
  let lastEventId = options.lastEventId
  let pauseMs = 2000
  let failures = 0
  let hasBegun = false

  while (!signal.aborted) {
    const silence = new AbortController()
    let timer = setTimeout(() => silence.abort(), silenceMaxMs)
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), silenceMaxMs)
    }
    let reason = 'the connection ended'
    let waitMs: number | undefined
    try {
      const response = await fetch(`${baseUrl}/v1/stream?${query}`, {
        headers: {
          accept: 'text/event-stream',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
        },
        signal: AbortSignal.any([signal, silence.signal]),
      })
      if (!response.ok || response.body === null) {
        const error = new ApiError(response.status, await readProblem(response))
        if (response.status !== 429 && response.status < 500) throw error
        reason = error.message
        waitMs = Number(response.headers.get('retry-after') ?? Number.NaN) * 1000
      } else {
        hasBegun = true
        const waiting: EventSourceMessage[] = []
        let heartbeatId: string | undefined
        const parser = createParser({
          onEvent: (event) => waiting.push(event),
          onComment: (comment) => {
            heartbeatId = /^heartbeat (\S+)$/.exec(comment)?.[1] ?? heartbeatId
          },
          onRetry: (ms) => {
            pauseMs = ms
          },
        })
        const decoder = new TextDecoder()
        for await (const chunk of response.body) {
          heard()
          heartbeatId = undefined
          parser.feed(decoder.decode(chunk, { stream: true }))
          for (const { event: name = 'message', id, data } of waiting.splice(0)) {
            // While it is taken nothing is read: that is no silence of the server.
            clearTimeout(timer)
            const message = { name, id, data: JSON.parse(data) as Record<string, unknown> }
            if (!(await onMessage(message)) || signal.aborted) return
            lastEventId = id ?? lastEventId
            failures = 0
            if (message.data.complete === true) return
            if (name === 'ended' || name === 'dropped') reason = String(message.data.reason)
          }
          lastEventId = heartbeatId ?? lastEventId
          heard()
        }
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiError || !hasBegun) throw error
      reason = silence.signal.aborted ? 'nothing was heard for too long' : describeCause(error)
    } finally {
      clearTimeout(timer)
    }
    waitMs = Number.isFinite(waitMs) ? (waitMs as number) : Math.min(pauseMs * 2 ** failures, retryMaxMs)
    failures += 1
    onInterruption?.(reason, waitMs)
    await delay(waitMs, undefined, { signal }).catch(() => {})
  }
}

function describeCause(error: unknown): string {
  const { cause } = (error ?? {}) as { cause?: unknown }
  return describeError(cause ?? error)
}

async function readProblem(response: Response): Promise<Problem> {
  const { status, statusText } = response
  const text = await response.text().catch(() => '')
  try {
    const problem = JSON.parse(text) as Problem
    if (typeof problem.detail === 'string' && Array.isArray(problem.errors)) return problem
  } catch {
    // Whatever stands between us and the API may answer as well.
  }
  const detail = text === '' ? `HTTP ${status} ${statusText}` : text.slice(0, 500)
  return { type: 'about:blank', title: statusText, status, detail, errors: [] }
}
