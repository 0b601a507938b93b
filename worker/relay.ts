import type { Database } from '../src/db.ts'
import { describeError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { DeliveryQueue } from '../src/queue.ts'
import type { Shutdown } from '../src/shutdown.ts'
import {
  expireLeases,
  listBusyWorkers,
  nextDue,
  putBackDeliveries,
  sweepDeliveries,
  takeDueDeliveries,
} from '../src/store/delivering.ts'
import { createWake } from '../src/wake.ts'
import { isKnownDead } from './worker-id.ts'

/** NOTIFY wakes at once; the poll is for a notification that was missed. */
const pollMs = 5_000
const sweepMs = 5_000

/** After so long without being claimed, the job of an enqueued delivery is added again, in case the queue lost it. */
const jobWaitMaxMs = 60_000

/** Destinations of one transaction. Bounded, so that a backlog does not become one long transaction. */
const destinationsMax = 100

export type Relay = {
  /** Says that a call has ended: its destination may have room for the next one. */
  noteRoom(): void
}

/** Moves deliveries that are due from the outbox to the queue, and looks after those that were left lying. Until shutdown. */
export async function runRelay(common: {
  db: Database
  queue: DeliveryQueue
  log: Log
  shutdown: Shutdown
  workerId: string
}): Promise<Relay> {
  const { db, log, shutdown, workerId } = common
  const wake = createWake()
  await db.listen('delivery_pending', wake.wake, wake.wake)

  const sweep = async () => {
    try {
      const found = await takeUpLeftLying(db, workerId)
      if (found === undefined) return
      log.warn(found, 'took up deliveries that were left lying')
      wake.wake()
    } catch (error) {
      log.error({ error: describeError(error) }, 'could not look for deliveries that were left lying')
    }
  }
  // At once too: most likely this process takes the place of one that died.
  await sweep()
  const timer = setInterval(sweep, sweepMs)

  const room = { made: 0, wanted: false }
  const done = relay(common, wake, room)
  shutdown.add(async () => {
    clearInterval(timer)
    await done
  })
  return {
    noteRoom: () => {
      room.made += 1
      if (room.wanted) wake.wake()
    },
  }
}

async function relay(
  { db, queue, log, shutdown }: { db: Database; queue: DeliveryQueue; log: Log; shutdown: Shutdown },
  wake: ReturnType<typeof createWake>,
  room: { made: number; wanted: boolean },
): Promise<void> {
  let after = 0
  while (!shutdown.signal.aborted) {
    try {
      const { made } = room
      after = await relayDue(db, queue, after)
      if (after > 0) continue
      const [next] = await nextDue(db)
      room.wanted = next?.crowded === true
      const dueInMs = next?.due_in_ms ?? pollMs
      if (dueInMs <= 0 || (room.wanted && room.made !== made)) continue
      await wake.wait(Math.min(dueInMs, pollMs), shutdown.signal)
    } catch (error) {
      log.error({ error: describeError(error) }, 'could not enqueue deliveries; trying again')
      await wake.wait(1_000, shutdown.signal)
    }
  }
}

/** What a process that died, or a queue that lost a job, has left behind. Returns what was found, if anything was. */
async function takeUpLeftLying(db: Database, workerId: string): Promise<Record<string, number> | undefined> {
  const busy = (await listBusyWorkers(db)).map(({ worker_id }) => worker_id)
  const dead = busy.filter((id) => isKnownDead(id, workerId))
  if (dead.length > 0) await expireLeases(db, [dead])
  // Jobs that it had taken and not begun are gone with it.
  const [found] = await sweepDeliveries(db, [dead.length > 0 ? 0 : jobWaitMaxMs])
  if (found === undefined) return undefined
  const { lost, straggling, refused, homeless, ungrouped } = found
  const counts = { lost, straggling, refused, homeless, ungrouped }
  return Object.values(counts).some((count) => count > 0) ? counts : undefined
}

/**
 * Enqueues deliveries that are due, as many as their destinations have room for. Rows are committed as enqueued before their
 * jobs are added: a job that came first would find nothing to do. Whoever dies in between leaves rows to the sweeper.
 *
 * @param after the id of the destination after which to begin: there can be more of them than one step looks at.
 * @returns after which destination to go on; 0: all were looked at.
 */
export async function relayDue(db: Database, queue: DeliveryQueue, after = 0): Promise<number> {
  const due = await takeDueDeliveries(db, [destinationsMax, after])
  const [first] = due
  if (first === undefined) return 0
  try {
    await queue.add(due)
  } catch (error) {
    await putBackDeliveries(db, [due.map(({ id }) => id)])
    throw error
  }
  return first.destinations === destinationsMax ? first.last_destination : 0
}
