import { PermanentError, RetryableError } from '../../src/errors.ts'

/** Codes for a request that cannot be made as it is: a header that is none, a method that takes no body. */
const unsendable = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED', 'ERR_INVALID_URL'])

/**
 * Any error of a call as one of ours. The words of the system name the address that a host name led to (connect ECONNREFUSED
 * 10.1.2.3:80), which the owner of a trigger need not know: its code says enough.
 */
export function describeCallError(error: unknown, url: string): Error {
  const chain = causesOf(error)
  const own = chain.find((cause) => cause instanceof PermanentError || cause instanceof RetryableError)
  if (own !== undefined) return own as Error
  const codes = chain.map((cause) => (cause as { code?: unknown }).code)
  const code = codes.findLast((candidate): candidate is string => typeof candidate === 'string')
  if (code !== undefined && unsendable.has(code)) {
    return new PermanentError('the request could not be made', { cause: error })
  }
  // It has no code. The Fetch standard lists the ports of services that a web client must not talk to by mistake.
  if (chain.some((cause) => (cause as Error).message === 'bad port')) {
    return new PermanentError(
      `${new URL(url).host} is not called: web clients do not use port ${new URL(url).port}`,
    )
  }
  const host = URL.canParse(url) ? new URL(url).host : 'the receiver'
  return new RetryableError(
    `the call of ${host} failed (${code === undefined ? 'no reason given' : (meanings[code] ?? code)})`,
  )
}

const meanings: Record<string, string> = {
  ECONNREFUSED: 'it refuses connections, ECONNREFUSED',
  ECONNRESET: 'it broke off the connection, ECONNRESET',
  UND_ERR_SOCKET: 'it broke off the connection',
  UND_ERR_CONNECT_TIMEOUT: 'it does not accept connections in time',
  UND_ERR_HEADERS_OVERFLOW: 'its headers are larger than 16 KiB',
}

/** An error and what it came from. Several attempts to connect come as one AggregateError. */
function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = []
  for (let next = error; next instanceof Error && causes.length < 10; ) {
    causes.push(next)
    next = next instanceof AggregateError ? next.errors[0] : next.cause
  }
  return causes
}
