import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../src/dev/random.ts'
import { type RunningRole, startRole } from '../../test/support/start-role.ts'

/** The matcher role as processes that are killed with -9 and started again, up to two at a time. */
export type MatcherProcesses = {
  /** After a while, one of them; another is started for it. */
  killOne(): void
  kills(): number
  stop(): Promise<void>
}

export function startMatcherProcesses(databaseUrl: string, home: string, random: Random): MatcherProcesses {
  const running = new Set<RunningRole>()
  const starting = new Set<Promise<void>>()
  let kills = 0
  let stopped = false
  const start = () => {
    const started = startRole('matcher', { DATABASE_URL: databaseUrl, TOCSIN_HOME: home }).then(
      async (role) => {
        if (stopped) await role.kill()
        else running.add(role)
      },
    )
    starting.add(started)
    void started.finally(() => starting.delete(started)).catch(() => {})
  }
  start()
  start()
  return {
    killOne: () => {
      const [role] = running
      if (role === undefined || stopped) return
      running.delete(role)
      kills += 1
      void delay(random.integer(0, 30)).then(() => role.kill())
      start()
    },
    kills: () => kills,
    stop: async () => {
      stopped = true
      await Promise.allSettled([...starting])
      await Promise.all([...running].map((role) => role.kill()))
    },
  }
}
