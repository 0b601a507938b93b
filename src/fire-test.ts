import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Queryable } from './db.ts'
import type { EventType } from './event.ts'
import { readDelivery } from './store/deliveries-read.ts'
import { insertTestDeliveries } from './store/testing.ts'
import { readTrigger } from './store/triggers.ts'
import { findTestEvent } from './test-event.ts'

const pollMs = 200

type TestedDelivery = NonNullable<Awaited<ReturnType<typeof readDelivery>>>

export type FiredTest = {
  eventId: string
  /** One for each action, in the order of the actions, with the attempts at it so far. */
  deliveries: TestedDelivery[]
  /** Whether each has been attempted. */
  tried: boolean
}

/** What does not fit what is stored, with the path to it in what was asked for. */
export type Misfit = { path: (string | number)[]; message: string }

/**
 * Runs the actions of a trigger for a stored event or a sample, by deliveries that go the whole way.
 *
 * @param options.waitMs how long to wait for the first attempts at all of them.
 * @returns undefined: there is no such trigger.
 */
export async function fireTest(
  db: Queryable,
  triggerId: string,
  options: {
    eventId?: string | undefined
    eventType?: EventType | undefined
    actionIds?: readonly number[] | undefined
    /** Whose trigger it is; not given: anybody's. */
    userId?: string | undefined
    waitMs: number
    signal: AbortSignal
  },
): Promise<FiredTest | { misfit: Misfit } | undefined> {
  const trigger = await readTrigger(db, triggerId, options.userId)
  if (trigger === undefined) return undefined
  const known = trigger.actions.map((action) => action.id)
  const strange = (options.actionIds ?? []).findIndex((id) => !known.includes(id))
  if (strange >= 0) {
    const message = `the trigger has the actions ${known.join(', ')}`
    return { misfit: { path: ['action_ids', strange], message } }
  }
  const found = await findTestEvent(db, trigger, options)
  if ('problem' in found) {
    return { misfit: { path: [found.problem.key], message: found.problem.message } }
  }

  const ids = (
    await insertTestDeliveries(db, [triggerId, options.actionIds?.map(String), found, `test:${randomUUID()}`])
  ).map(({ id }) => id)
  const read = async () => {
    const rows = await Promise.all(ids.map((id) => readDelivery(db, id)))
    return rows.filter((row) => row !== undefined)
  }
  const deadline = performance.now() + options.waitMs
  let deliveries = await read()
  while (!deliveries.every(isSettled) && performance.now() < deadline && !options.signal.aborted) {
    await pause(Math.min(pollMs, deadline - performance.now()))
    deliveries = await read()
  }
  return { eventId: found.event.id, deliveries, tried: deliveries.every(wasTried) }
}

/** The attempts are read after the state: one that ended in between is there with the state from before. */
function isSettled(delivery: TestedDelivery): boolean {
  return wasTried(delivery) && delivery.state !== 'running'
}

function wasTried({ state, results }: TestedDelivery): boolean {
  return results.length > 0 || ['succeeded', 'failed', 'cancelled', 'unknown'].includes(state)
}
