import { SseError } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { describeError, PermanentError, RetryableError } from '../../src/errors.ts'
import { McpHttpError } from './mcp-errors.ts'

/** JSON-RPC errors that say that the request itself is wrong, and one that asks for a person. All others may pass. */
const lasting = new Set<number>([
  ErrorCode.ParseError,
  ErrorCode.InvalidRequest,
  ErrorCode.MethodNotFound,
  ErrorCode.InvalidParams,
  ErrorCode.UrlElicitationRequired,
])

/** Statuses that may be others later. */
const passing = new Set([408, 425, 429])

const messageLengthMax = 500

export type Failure = {
  error: PermanentError | RetryableError
  /** What is kept of the server's answer; empty when there was none. */
  response: Record<string, unknown>
}

/**
 * Whether what a call of a tool ended in may pass, in a sentence.
 *
 * @param options.access what to say of the token when the server refuses it.
 * @param options.clean makes what the server wrote fit to be kept.
 */
export function classifyFailure(
  error: unknown,
  { access, clean }: { access: string; clean: (text: string) => string },
): Failure {
  // Ours already: wrong arguments, a refused address, no answer in time.
  if (error instanceof PermanentError || error instanceof RetryableError) return { error, response: {} }

  if (error instanceof McpHttpError) {
    const { status, text, retryAfterMs } = error
    const response = { status, body: clean(text) }
    if (status === 401 || status === 403) {
      return { error: new PermanentError(`the server refused access (HTTP ${status}): ${access}`), response }
    }
    const message = `the server answered with ${clean(error.message).slice(0, messageLengthMax)}`
    return status >= 500 || passing.has(status)
      ? {
          error: new RetryableError(message, retryAfterMs === undefined ? {} : { retryAfterMs }),
          response,
        }
      : { error: new PermanentError(message), response }
  }

  if (error instanceof McpError) {
    const own = clean(error.message.replace(/^MCP error -?\d+: /, '')).slice(0, messageLengthMax)
    const message = `the server answered with the JSON-RPC error ${error.code}: ${own}`
    const response = { error: { code: error.code, message: own } }
    return lasting.has(error.code)
      ? { error: new PermanentError(message), response }
      : { error: new RetryableError(message), response }
  }

  if (error instanceof StreamableHTTPError && error.code === -1) {
    return {
      error: new PermanentError('what answers there is no MCP server', { cause: error }),
      response: {},
    }
  }
  if (error instanceof z.core.$ZodError || error instanceof SyntaxError) {
    const detail = describeError(error).slice(0, messageLengthMax)
    return { error: new RetryableError(`the server's answer is not what MCP says: ${detail}`), response: {} }
  }
  if (error instanceof SseError || error instanceof StreamableHTTPError) {
    return {
      error: new RetryableError('the connection to the server failed', { cause: error }),
      response: {},
    }
  }
  return { error: new RetryableError('the call failed', { cause: error }), response: {} }
}
