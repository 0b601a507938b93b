import type { Database } from '../src/db.ts'
import { describeError, PermanentError, RetryableError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { DeliveryScope } from '../src/render-template.ts'
import { storableText } from '../src/storable-text.ts'
import { type ClaimedDelivery, claimDelivery, finishDelivery, readEvent } from '../src/store/delivering.ts'
import { retryDelayMs } from './retry-delay.ts'
import { type ActionOutcome, type ActionTools, runAction } from './run-action.ts'

/** How long a claim is believed without a sign of life. The worker gives one every third of it. */
export const leaseMs = 15_000

const attemptsMaxDefault = 8

export type DeliverContext = {
  db: Database
  log: Log
  tools: ActionTools
  workerId: string
  signal: AbortSignal
}

/**
 * Looks at one delivery: claims it, runs its action once, records the attempt and what is next. Does nothing when the
 * delivery is not to be had, which is normal: a job is only a wake-up, and may come twice or late.
 */
export async function deliver(context: DeliverContext, deliveryId: string, jobId: string): Promise<void> {
  const { db, log, workerId } = context
  const [delivery] = await claimDelivery(db, [deliveryId, workerId, leaseMs])
  if (delivery === undefined) return

  const startedAt = new Date()
  const clock = performance.now()
  const outcome = await attempt(context, delivery)
  const durationMs = Math.round(performance.now() - clock)

  const verdict = judge(delivery, outcome)
  const [finished] = await finishDelivery(db, [
    delivery.id,
    workerId,
    delivery.attempts,
    verdict.state,
    verdict.dueInMs,
    verdict.error,
    jobId,
    verdict.status,
    startedAt,
    durationMs,
    outcome.response,
  ])
  const line = {
    delivery_id: delivery.id,
    trigger: delivery.trigger?.name,
    event_id: delivery.event_id,
    attempt: delivery.attempts,
    state: verdict.state,
    duration_ms: durationMs,
  }
  if (finished?.held !== true) log.warn(line, 'finished a delivery that somebody else had taken up meanwhile')
  else if (verdict.error === null) log.info(line, 'delivered')
  else log.warn({ ...line, error: verdict.error }, 'not delivered')
}

/** One run of the action. Every failure that belongs to the action comes back as an outcome, never as an exception. */
async function attempt(context: DeliverContext, delivery: ClaimedDelivery): Promise<ActionOutcome> {
  const { db, tools, signal } = context
  if (delivery.trigger === null || delivery.config === null) {
    return { response: {}, error: new PermanentError('its trigger or action was deleted') }
  }
  try {
    const [event] = await readEvent(db, [delivery.event_id, delivery.block_time])
    if (event === undefined) throw new PermanentError(`event ${delivery.event_id} is no longer stored`)
    const scope: DeliveryScope = {
      event,
      trigger: delivery.trigger,
      match: { evidence: delivery.evidence },
      delivery: { id: delivery.id, attempt: delivery.attempts },
    }
    return await runAction(delivery, scope, tools, signal)
  } catch (error) {
    const known = error instanceof PermanentError || error instanceof RetryableError
    // An error that nobody foresaw is tried again: it is ours, and the next version may have mended it.
    return { response: {}, error: known ? error : new RetryableError('unexpected', { cause: error }) }
  }
}

type Verdict = {
  state: 'succeeded' | 'failed' | 'cancelled' | 'pending'
  status: 'success' | 'failed' | 'retrying'
  dueInMs: number
  error: string | null
}

function judge(delivery: ClaimedDelivery, { error }: ActionOutcome): Verdict {
  if (error === undefined) return { state: 'succeeded', status: 'success', dueInMs: 0, error: null }
  const message = storableText(describeError(error))
  if (delivery.trigger === null || delivery.config === null) {
    return { state: 'cancelled', status: 'failed', dueInMs: 0, error: message }
  }
  const config = delivery.config as { max_attempts?: number; retry_schedule?: readonly string[] }
  const attempts = delivery.attempts - delivery.attempts_before
  if (error instanceof PermanentError || attempts >= (config.max_attempts ?? attemptsMaxDefault)) {
    return { state: 'failed', status: 'failed', dueInMs: 0, error: message }
  }
  return {
    state: 'pending',
    status: 'retrying',
    dueInMs: retryDelayMs(attempts, { schedule: config.retry_schedule, retryAfterMs: error.retryAfterMs }),
    error: message,
  }
}
