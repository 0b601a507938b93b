/**
 * Something a person can mend: a bad setting, a taken port, a wrong password. The message is a whole sentence that
 * says what to do; the command line prints it without a stack trace and exits with code 2.
 */
export class UserError extends Error {
  override name = 'UserError'
}

/** A try that cannot succeed however often it is repeated (a malformed address, an HTTP 404). The delivery fails at once. */
export class PermanentError extends Error {
  override name = 'PermanentError'
}

/** A try that may succeed later (a timeout, an HTTP 503). With `retryAfterMs` the far side named the time itself. */
export class RetryableError extends Error {
  override name = 'RetryableError'
  readonly retryAfterMs: number | undefined

  constructor(message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.retryAfterMs = options.retryAfterMs
  }
}

/** A try that was not made because a limit of ours forbids it now. The delivery is due again later; no attempt is counted. */
export class HeldBackError extends Error {
  override name = 'HeldBackError'
  readonly dueInMs: number

  constructor(message: string, dueInMs: number) {
    super(message)
    this.dueInMs = dueInMs
  }
}

/** A try that shows that the destination is gone for good (HTTP 410, a bot that was blocked): nothing more is sent to it. */
export class GoneError extends PermanentError {
  override name = 'GoneError'
}

/** The message of anything that was thrown, with the messages of its causes, on one line. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own =
    error instanceof AggregateError && error.message === ''
      ? error.errors.map(describeError).join('; ')
      : error.message
  const message = (own === '' ? error.name : own).replaceAll(/\s*\n\s*/g, ' ')
  return error.cause === undefined ? message : `${message}: ${describeError(error.cause)}`
}
