import type { Database } from '../src/db.ts'
import { buildDeliveryScope } from '../src/delivery-scope.ts'
import { PermanentError } from '../src/errors.ts'
import type { RegistryEvent } from '../src/event.ts'
import type { Log } from '../src/log.ts'
import {
  type ClaimedDelivery,
  claimDeliveries,
  type EndedAttempt,
  extendLeases,
  finishDeliveries,
  readEvents,
} from '../src/store/delivering.ts'
import { createBatcher } from './batcher.ts'
import { judge, type Verdict } from './judge.ts'
import { type ActionOutcome, type ActionTools, runAction } from './run-action.ts'

/** How long a claim is believed without a sign of life. The worker gives one every third of it. */
export const leaseMs = 15_000

/** Deliveries in one query: many, since each costs little; not so many that one query holds up the others for long. */
const batchMax = 200

export type DeliverContext = {
  db: Database
  log: Log
  tools: ActionTools
  workerId: string
  signal: AbortSignal
}

export type Deliverer = {
  /**
   * Looks at one delivery: claims it, runs its action once, records the attempt and what is next. Does nothing when the
   * delivery is not to be had, which is normal: a job is only a wake-up, and may come twice or late.
   */
  deliver(deliveryId: string, jobId: string): Promise<void>
  /** A sign of life for everything that is under way. To be given every third of {@link leaseMs}. */
  extendLeases(): Promise<void>
}

/** What one worker does with deliveries. Those that are looked at at the same time share their queries. */
export function createDeliverer({ db, log, tools, workerId, signal }: DeliverContext): Deliverer {
  const inFlight = new Set<string>()

  /** The delivery with this id; with it, the others of its batch. */
  const claim = createBatcher(async (ids: string[]) => {
    const rows = await claimDeliveries(db, [ids, workerId, leaseMs])
    const claimed = new Map<string, ClaimedDelivery[]>()
    for (const row of rows) {
      const key = row.batch_id ?? row.id
      claimed.set(key, [...(claimed.get(key) ?? []), row])
    }
    return ids.map((id) => {
      const found = claimed.get(id) ?? []
      // Whoever asks twice in one query gets it once.
      claimed.delete(id)
      return found
    })
  }, batchMax)

  const readEvent = createBatcher(async (wanted: ClaimedDelivery[]) => {
    const ids = wanted.map(({ event_id }) => event_id)
    const times = wanted.map(({ block_time }) => block_time.toISOString())
    const events = new Map((await readEvents(db, [ids, times])).map((event) => [event.id, event]))
    return ids.map((id) => events.get(id))
  }, batchMax)

  const finish = createBatcher(async (ended: EndedAttempt[]) => {
    const numbered = ended.map((attempt, number) => ({ ...attempt, number }))
    const rows = await finishDeliveries(db, [workerId, numbered])
    const held = new Map(rows.map((row) => [row.id, row.held]))
    return ended.map(({ id }) => held.get(id) === true)
  }, batchMax)

  const readScope = async (delivery: ClaimedDelivery) => {
    const { live_trigger_id: id, trigger_name: name, trigger_version: version } = delivery
    if (id === null || name === null || version === null || delivery.config === null) {
      throw new PermanentError('its trigger or action was deleted')
    }
    const event = (delivery.payload?.event as RegistryEvent | undefined) ?? (await readEvent(delivery))
    if (event === undefined) throw new PermanentError(`event ${delivery.event_id} is no longer stored`)
    return buildDeliveryScope({
      event,
      trigger: { id, name, version },
      match_kind: delivery.match_kind ?? undefined,
      evidence: delivery.evidence ?? delivery.payload?.evidence,
      delivery: {
        id: delivery.id,
        attempt: delivery.attempts,
        kind: delivery.kind,
        original_id: delivery.original_id,
      },
      alert: delivery.payload?.alert as Record<string, unknown> | undefined,
    })
  }

  /** One run of the action, for one delivery or for a batch. Every failure comes back as an outcome, never as an exception. */
  const attempt = async (
    first: ClaimedDelivery,
    batch: readonly ClaimedDelivery[],
  ): Promise<ActionOutcome> => {
    try {
      const scopes = await Promise.all([first, ...batch.slice(1)].map(readScope))
      const [scope] = scopes
      if (scope === undefined) throw new Error('there is no delivery')
      const batched =
        first.batch_id === null || batch.length === 0 ? undefined : { id: first.batch_id, scopes }
      return await runAction(first, scope, tools, signal, batched)
    } catch (error) {
      // What was broken off says nothing of its destination; whether it arrived is not known, so it counts as an attempt.
      if (signal.aborted) return { response: {}, error: new Error('the worker was stopped') }
      return { response: {}, error: error instanceof Error ? error : new Error(String(error)) }
    }
  }

  /** Runs one delivery, or several in one call: then what becomes of the first becomes of all. */
  const deliverTogether = async (
    first: ClaimedDelivery,
    batch: readonly ClaimedDelivery[],
    jobId: string,
  ): Promise<void> => {
    const startedAt = new Date()
    const clock = performance.now()
    const verdict = judge(first, await attempt(first, batch))
    const durationMs = Math.round(performance.now() - clock)
    const all = batch.length === 0 ? [first] : batch
    await Promise.all(
      all.map(async (delivery, index) => {
        const held = await finish({
          ...verdict,
          id: delivery.id,
          attempts: delivery.attempts,
          job_id: jobId,
          started_at: startedAt,
          duration_ms: durationMs,
          // One call is one sign of the destination.
          ...(index === 0 ? {} : { signal: null, pause_ms: null }),
        })
        logEnd(delivery, verdict, durationMs, held)
      }),
    )
  }

  const logEnd = (delivery: ClaimedDelivery, verdict: Verdict, durationMs: number, held: boolean): void => {
    const line = {
      delivery_id: delivery.id,
      trigger: delivery.trigger_name,
      event_id: delivery.event_id,
      attempt: delivery.attempts,
      state: verdict.state,
      duration_ms: durationMs,
    }
    if (!held) log.warn(line, 'finished a delivery that somebody else had taken up meanwhile')
    else if (verdict.error === null) log.info(line, 'delivered')
    else if (verdict.status === null) log.info({ ...line, reason: verdict.error }, 'held back')
    else log.warn({ ...line, error: verdict.error }, 'not delivered')
  }

  return {
    deliver: async (deliveryId, jobId) => {
      inFlight.add(deliveryId)
      try {
        const deliveries = await claim(deliveryId)
        const [first] = deliveries
        if (first === undefined) return
        const batched = first.batch_id !== null && sendsBatches(first.config)
        if (batched) await deliverTogether(first, deliveries, jobId)
        else await Promise.all(deliveries.map((delivery) => deliverTogether(delivery, [], jobId)))
      } finally {
        inFlight.delete(deliveryId)
      }
    },
    extendLeases: async () => {
      if (inFlight.size > 0) await extendLeases(db, [workerId, leaseMs, [...inFlight]])
    },
  }
}

/** Not so any more when the action was changed since the batch was made. */
function sendsBatches(config: unknown): boolean {
  return (config as { batch?: unknown } | null)?.batch !== undefined
}
