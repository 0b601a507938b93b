import type { Database } from '../src/db.ts'
import { describeError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { DeliveryQueue } from '../src/queue.ts'
import type { Shutdown } from '../src/shutdown.ts'
import { nextDue, sweepDeliveries, takeDueDeliveries } from '../src/store/delivering.ts'
import { createWake } from '../src/wake.ts'

/** NOTIFY wakes at once; the poll is for a notification that was missed. */
const pollMs = 5_000
const sweepMs = 5_000

/** After so long without being claimed, the job of an enqueued delivery is added again, in case the queue lost it. */
const jobWaitMaxMs = 60_000

/** One transaction: rows marked and jobs added. Bounded, so that a backlog does not become one long transaction. */
const batchMax = 500

/** Moves deliveries that are due from the outbox to the queue, and looks after those that were left lying. Until shutdown. */
export async function runRelay(common: {
  db: Database
  queue: DeliveryQueue
  log: Log
  shutdown: Shutdown
}): Promise<void> {
  const { db, log, shutdown } = common
  const wake = createWake()
  await db.listen('delivery_pending', wake.wake, wake.wake)

  const sweep = setInterval(async () => {
    try {
      const [found] = await sweepDeliveries(db, [jobWaitMaxMs])
      if (found !== undefined && found.lost + found.straggling > 0) {
        log.warn({ ...found }, 'took up deliveries that were left lying')
        wake.wake()
      }
    } catch (error) {
      log.error({ error: describeError(error) }, 'could not look for deliveries that were left lying')
    }
  }, sweepMs)

  const done = relay(common, wake)
  shutdown.add(async () => {
    clearInterval(sweep)
    await done
  })
}

async function relay(
  { db, queue, log, shutdown }: { db: Database; queue: DeliveryQueue; log: Log; shutdown: Shutdown },
  wake: ReturnType<typeof createWake>,
): Promise<void> {
  while (!shutdown.signal.aborted) {
    try {
      const moved = await relayDue(db, queue)
      if (moved === batchMax) continue
      const [next] = await nextDue(db)
      await wake.wait(Math.min(Math.max(next?.due_in_ms ?? pollMs, 1), pollMs), shutdown.signal)
    } catch (error) {
      log.error({ error: describeError(error) }, 'could not enqueue deliveries; trying again')
      await wake.wait(1_000, shutdown.signal)
    }
  }
}

/**
 * Enqueues one batch of deliveries that are due. Jobs are added before the rows are committed as enqueued: a crash in
 * between leaves them pending, and the job that exists already is not added twice.
 *
 * @returns how many were enqueued.
 */
export function relayDue(db: Database, queue: DeliveryQueue): Promise<number> {
  return db.begin(async (tx) => {
    const due = await takeDueDeliveries(tx, [batchMax])
    if (due.length > 0) await queue.add(due)
    return due.length
  }) as Promise<number>
}
