import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import type { z } from 'zod'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import { McpHttpError } from './mcp-errors.ts'
import { createSessionFetch, type McpHttp } from './session-fetch.ts'
import { unlessAborted } from './share-work.ts'

export type TransportName = 'streamable_http' | 'sse'

/** One session with a server: initialized, and used by many calls at once. */
export type Session = {
  transport: TransportName
  /** As negotiated. */
  protocolVersion: string
  /** Sends a request and waits for its result. What it throws may be anything: the SDK's, ours, an answer that is no MCP. */
  request<Result extends z.ZodType>(
    request: { method: string; params: Record<string, unknown> },
    result: Result,
    signal: AbortSignal,
  ): Promise<z.output<Result>>
  /** Why nothing can be sent in it any more. */
  broken(): Error | undefined
  /** Tells the server, where there is something to tell, and closes every connection. */
  close(): Promise<void>
}

/** Longer than any signal waits: the signal decides. */
const sdkTimeoutMs = 120_000

/**
 * Opens a session by one of the two transports.
 *
 * @param options.onToolsChanged the server says that its tools are others now.
 * @throws McpHttpError when the server refused a request of it, among others.
 */
export async function openSession(
  http: McpHttp,
  options: {
    endpoint: string
    token: string | undefined
    transport: TransportName
    onToolsChanged: () => void
  },
  signal: AbortSignal,
): Promise<Session> {
  const endpoint = new URL(options.endpoint)
  type Waiting = { id: unknown; exchange: AbortController; fail: (error: unknown) => void }
  const waiting = new Map<unknown, Waiting>()
  let sending: Waiting | undefined
  let connected = false
  let listening = false
  let broken: Error | undefined
  let protocolVersion = ''
  // What goes wrong while it is opened, where the SDK would tell it in words only or not at all.
  const opening = new AbortController()
  let failOpening = (_: unknown): void => {}
  const failed = new Promise<never>((_, reject) => {
    failOpening = reject
  })
  failed.catch(() => {})

  const client = new Client({ name: 'tocsin', version: '1' }, { capabilities: {} })
  const breakUp = (error: Error) => {
    broken ??= error
    void client.close()
  }

  const fetch = createSessionFetch(http, {
    endpoint,
    token: options.token,
    signalOf: (id) => waiting.get(id)?.exchange.signal ?? (connected ? undefined : opening.signal),
    mayListen: () => {
      // Once: a server that drops the stream is asked for its tools again when they are old.
      const worthIt = options.transport === 'sse' || client.getServerCapabilities()?.tools?.listChanged
      if (listening || worthIt !== true) return false
      listening = true
      return true
    },
    answerEnded: (id, { error, resumable }) => {
      if (resumable && !(error instanceof PermanentError)) return
      // After the SDK has read what came before the end.
      setImmediate(() => {
        waiting.get(id)?.fail(describeEnd(error))
        if (client.getServerCapabilities() === undefined) failOpening(describeEnd(error))
      })
    },
    listenEnded: (error) => {
      if (options.transport !== 'sse') return
      // All answers come in this stream, so that nobody knows whose was too large if several are waited for.
      const reason =
        error instanceof PermanentError && waiting.size > 1
          ? new RetryableError('the stream with the answers broke off', { cause: error })
          : describeEnd(error)
      failOpening(reason)
      setImmediate(() => breakUp(reason))
    },
    usesVersion: (version) => {
      protocolVersion = version
    },
  })

  const transport = (
    options.transport === 'sse'
      ? new SSEClientTransport(endpoint, { fetch })
      : new StreamableHTTPClientTransport(endpoint, { fetch })
  ) as Transport
  // The SDK gives each request its id on the way, in the same turn in which it is asked to send it.
  const send = transport.send.bind(transport)
  transport.send = (message, sendOptions) => {
    if (sending !== undefined && 'method' in message && 'id' in message) {
      sending.id = message.id
      waiting.set(message.id, sending)
    }
    return send(message, sendOptions)
  }
  client.onclose = () => {
    broken ??= new RetryableError('the session was closed')
  }
  client.setNotificationHandler(ToolListChangedNotificationSchema, options.onToolsChanged)

  try {
    const connecting = client.connect(transport, { timeout: sdkTimeoutMs })
    await unlessAborted(Promise.race([connecting, failed]), signal)
    connected = true
  } catch (error) {
    opening.abort(error)
    // The SDK closes only what it had begun to initialize.
    await transport.close()
    throw error
  }

  return {
    transport: options.transport,
    protocolVersion,
    broken: () => broken,
    request: async (request, result, callSignal) => {
      if (broken !== undefined) throw broken
      callSignal.throwIfAborted()
      const ending = new AbortController()
      const abort = () => ending.abort(callSignal.reason)
      // Not the signal of the call itself: it may abort long after the answer, and the SDK would tell the server.
      callSignal.addEventListener('abort', abort, { once: true })
      const entry: Waiting = { id: undefined, exchange: new AbortController(), fail: () => {} }
      try {
        return await new Promise((resolve, reject) => {
          entry.fail = (error) => {
            reject(error)
            ending.abort(error)
          }
          sending = entry
          const answer = client.request(request, result, { signal: ending.signal, timeout: sdkTimeoutMs })
          sending = undefined
          answer.then((value) => resolve(value as z.output<typeof result>), reject)
        })
      } catch (error) {
        entry.exchange.abort(error)
        if (callSignal.aborted) throw callSignal.reason
        throw broken ?? error
      } finally {
        waiting.delete(entry.id)
        callSignal.removeEventListener('abort', abort)
      }
    },
    close: async () => {
      if (transport instanceof StreamableHTTPClientTransport && broken === undefined) {
        await transport.terminateSession().catch(() => {})
      }
      await client.close()
    },
  }
}

function describeEnd(error: unknown): Error {
  if (error instanceof PermanentError || error instanceof McpHttpError) return error
  return new RetryableError(
    'the connection ended before the answer',
    error === undefined ? {} : { cause: error },
  )
}
