import type { Database } from '../src/db.ts'
import { describeError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { Shutdown } from '../src/shutdown.ts'
import { fileReadyChannel } from '../src/store/event-files.ts'
import { listChains } from '../src/store/matching.ts'
import { isTransient } from '../src/store/postgres-errors.ts'
import { createWake, type Wake } from '../src/wake.ts'
import { matchStep, type TriggerCache } from './match-step.ts'

/** NOTIFY wakes at once; the poll is for a notification that was missed. */
const pollMs = 5_000

/** Large enough that a batch is mostly work and little round trip, small enough to be done in well under a second. */
const eventsMax = 1_000

/**
 * Matches every chain that has been indexed, one loop a chain, until shutdown. Several matchers may run: each step
 * locks its chain, so a chain is matched by one of them at a time.
 */
export async function runMatcher(common: { db: Database; log: Log; shutdown: Shutdown }): Promise<void> {
  const { db, shutdown } = common
  const loops = new Map<number, { wake: Wake; done: Promise<void> }>()

  const take = (chainId: number) => {
    const running = loops.get(chainId)
    if (running) return running.wake.wake()
    const wake = createWake()
    loops.set(chainId, { wake, done: matchChain(common, chainId, wake) })
  }
  const takeAll = async () => {
    for (const { chain_id } of await listChains(db)) take(chain_id)
  }

  // postgres.js listens again after a lost connection and then calls the third argument: whatever was missed is caught up.
  await db.listen(
    'new_event',
    (payload) => take(Number(payload)),
    () => void takeAll().catch(() => {}),
  )
  const wake = (payload: string) => loops.get(Number(payload))?.wake.wake()
  await db.listen('trigger_changed', wake)
  await db.listen(fileReadyChannel, wake)
  const poll = setInterval(() => void takeAll().catch(() => {}), pollMs)

  shutdown.add(async () => {
    clearInterval(poll)
    for (const { wake } of loops.values()) wake.wake()
    await Promise.all([...loops.values()].map((loop) => loop.done))
  })
}

async function matchChain(
  { db, log, shutdown }: { db: Database; log: Log; shutdown: Shutdown },
  chainId: number,
  wake: Wake,
): Promise<void> {
  let cache: TriggerCache | undefined
  let failures = 0
  while (!shutdown.signal.aborted) {
    try {
      const step = await matchStep(db, chainId, cache, { eventsMax })
      for (const paused of step.paused) log.error(paused, 'a trigger cannot be evaluated; it is paused')
      cache = step.cache
      failures = 0
      if (step.events > 0 || step.retracted > 0) {
        const { events, matches, deliveries, retracted } = step
        log.debug({ chain_id: chainId, events, matches, deliveries, retracted }, 'matched')
      }
      if (step.outcome !== 'more') await wake.wait(pollMs, shutdown.signal)
    } catch (error) {
      // A conflict with somebody else's change is settled by looking again; anything else gets time to mend.
      cache = undefined
      failures += 1
      if (isTransient(error) && failures < 5) continue
      log.error({ chain_id: chainId, error: describeError(error) }, 'could not match; trying again')
      await wake.wait(Math.min(1000 * failures, 10_000), shutdown.signal)
    }
  }
}
