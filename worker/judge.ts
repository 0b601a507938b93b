import { describeError, GoneError, HeldBackError, PermanentError, RetryableError } from '../src/errors.ts'
import { storableText } from '../src/storable-text.ts'
import type { ClaimedDelivery, EndedAttempt } from '../src/store/delivering.ts'
import { retryDelayMs } from './retry-delay.ts'
import type { ActionOutcome } from './run-action.ts'

export type Verdict = Pick<
  EndedAttempt,
  'state' | 'status' | 'due_in_ms' | 'error' | 'signal' | 'pause_ms' | 'response'
>

const attemptsMaxDefault = 8

/** One weird answer must not silence a whole destination for a day: the delivery waits that long, the others try again sooner. */
const pauseMaxMs = 300_000

/** What follows from how an attempt ended: for the delivery, and for its destination. */
export function judge(delivery: ClaimedDelivery, { error, response }: ActionOutcome): Verdict {
  const verdict = { due_in_ms: 0, error: null, signal: null, pause_ms: null, response }
  if (error === undefined) return { ...verdict, state: 'succeeded', status: 'success', signal: 'worked' }

  const message = storableText(describeError(error))
  const failed = { ...verdict, error: message, status: 'failed' } as const
  if (delivery.live_trigger_id === null || delivery.config === null) return { ...failed, state: 'cancelled' }
  if (error instanceof HeldBackError) {
    return { ...failed, state: 'pending', status: null, due_in_ms: Math.ceil(error.dueInMs) }
  }
  if (error instanceof GoneError) return { ...failed, state: 'failed', signal: 'gone' }
  // Who refuses a request is there. A request that could not be made says nothing of its destination.
  const answered = Object.keys(response).length > 0
  if (error instanceof PermanentError) {
    return { ...failed, state: 'failed', signal: answered ? 'worked' : null }
  }

  // An error that nobody foresaw is tried again: it is ours, and the next version may have mended it.
  const foreseen = error instanceof RetryableError
  const retryAfterMs = foreseen ? error.retryAfterMs : undefined
  const signalled = {
    ...failed,
    signal: foreseen ? ('failed' as const) : null,
    pause_ms: retryAfterMs === undefined ? null : Math.min(Math.ceil(retryAfterMs), pauseMaxMs),
  }
  const config = delivery.config as { max_attempts?: number; retry_schedule?: readonly string[] }
  const attempts = delivery.attempts - delivery.attempts_before
  // Who tests wants to know now.
  const attemptsMax = delivery.kind === 'test' ? 1 : (config.max_attempts ?? attemptsMaxDefault)
  if (attempts >= attemptsMax) return { ...signalled, state: 'failed' }
  const dueInMs = retryDelayMs(attempts, { schedule: config.retry_schedule, retryAfterMs })
  return { ...signalled, state: 'pending', status: 'retrying', due_in_ms: dueInMs }
}
