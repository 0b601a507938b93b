import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../src/db.ts'
import type { Random } from '../../src/dev/random.ts'
import { isTransient } from '../../src/store/postgres-errors.ts'
import { matchStep, type TriggerCache } from '../../worker/match-step.ts'
import { type Cut, cutDatabase } from './cut.ts'

/** Two matchers in this process, each with what it remembers, one step at a time. */
export type Matchers = {
  /** One step of one of them on one chain, now and then cut off. False: it had nothing more to do. */
  step(chainId: number, cut?: Cut): Promise<boolean>
  /** Both at once, as after a deploy. */
  compete(chainId: number): Promise<void>
  kills(): number
  steps(): number
}

export function createMatchers(db: Database, random: Random): Matchers {
  const eventsMax = random.pick([1, 2, 3, 5, 10, 50, 1000])
  const caches = [new Map<number, TriggerCache | undefined>(), new Map<number, TriggerCache | undefined>()]
  let [kills, steps, current] = [0, 0, 0]

  const stepOf = async (index: number, chainId: number, cut: Cut | undefined): Promise<boolean> => {
    const cache = caches[index]
    steps += 1
    try {
      const pool = cut === undefined ? db : cutDatabase(db, cut)
      const result = await matchStep(pool, chainId, cache?.get(chainId), { eventsMax })
      cache?.set(chainId, result.cache)
      // One that was killed holds its chain until the server has noticed.
      if (result.outcome === 'busy') await delay(10)
      return result.outcome !== 'idle'
    } catch (error) {
      // As in the role: whatever it remembered is of no use any more.
      cache?.delete(chainId)
      if (cut !== undefined) {
        kills += 1
        // The process is gone, with what it knew of other chains.
        cache?.clear()
        return true
      }
      if (!isTransient(error)) throw error
      return true
    }
  }
  return {
    step: (chainId, cut) => {
      if (random.next() < 0.1) current = 1 - current
      return stepOf(current, chainId, cut)
    },
    compete: async (chainId) => {
      await Promise.all([stepOf(0, chainId, undefined), stepOf(1, chainId, undefined)])
    },
    kills: () => kills,
    steps: () => steps,
  }
}

export function randomCut(random: Random): Cut {
  return random.pick<Cut>([
    { at: 'statement', count: random.integer(0, 20) },
    { at: 'statement', count: random.integer(0, 12) },
    { at: 'statement', count: 1000 },
    { at: 'afterCommit' },
  ])
}
