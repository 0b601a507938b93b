import { Agent, type Dispatcher, request } from 'undici'
import { PermanentError, RetryableError } from '../src/errors.ts'

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

export type HttpClient = {
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>
  close(): Promise<void>
}

const keptBodyBytesMax = 4096

/** The one place that opens addresses which users name. Redirects are not followed: they would go where nobody has agreed to. */
export function createHttpClient(): HttpClient {
  const agent = new Agent({
    // Bounded by the request's own timeout; a peer that trickles headers must not hold a slot longer than that.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16 * 1024,
    keepAliveTimeout: 10_000,
  })
  return {
    send: async (options, signal) => {
      const deadline = AbortSignal.timeout(options.timeoutMs)
      try {
        const response = await request(options.url, {
          method: options.method,
          headers: options.headers,
          body: options.body ?? null,
          dispatcher: agent,
          signal: AbortSignal.any([signal, deadline]),
        })
        const { body, bodyTruncated } = await readStart(response.body)
        return { status: response.statusCode, headers: flatten(response.headers), body, bodyTruncated }
      } catch (error) {
        if (deadline.aborted) throw new RetryableError(`no answer within ${options.timeoutMs} ms`)
        throw classify(error)
      }
    },
    close: () => agent.close(),
  }
}

async function readStart(
  stream: Dispatcher.ResponseData['body'],
): Promise<{ body: string; bodyTruncated: boolean }> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    // Leaving the loop destroys the stream: the rest is not read, however long it is.
    if (sizeBytes > keptBodyBytesMax) break
  }
  const kept = Buffer.concat(chunks).subarray(0, keptBodyBytesMax)
  return { body: kept.toString('utf8'), bodyTruncated: sizeBytes > keptBodyBytesMax }
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]))
}

function classify(error: unknown): Error {
  const code = (error as { code?: string }).code
  return code === 'UND_ERR_INVALID_ARG' || code === 'ERR_INVALID_URL'
    ? new PermanentError('the request could not be made', { cause: error })
    : new RetryableError('the request failed', { cause: error })
}
