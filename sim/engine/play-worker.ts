import type { Database } from '../../src/db.ts'
import type { Random } from '../../src/dev/random.ts'
import { finishDeliveries } from '../../src/store/delivering.ts'

/** What relay and workers do meanwhile, as far as it concerns matches: they take deliveries that are due, try them, and say how it went. */
export async function playWorker(db: Database, random: Random, fails = 0.4): Promise<void> {
  const running = await db<{ id: string; attempts: number }[]>`
    select id, attempts from deliveries where state = 'running' order by created_at, occurrence, id`
  const outcomes = running.map(({ id, attempts }, number) => {
    const isGood = random.next() >= fails
    const state = isGood ? 'succeeded' : random.pick(['failed', 'pending', 'pending'])
    return {
      ...{
        number,
        id,
        attempts,
        job_id: 'sim',
        state,
        status: isGood ? 'success' : 'retrying',
        due_in_ms: 0,
      },
      ...{
        error: isGood ? null : 'sim',
        started_at: new Date(),
        duration_ms: 1,
        response: null,
        signal: null,
        pause_ms: null,
      },
    }
  })
  if (outcomes.length > 0) await finishDeliveries(db, ['sim', outcomes])
  const waiting = await db<{ id: string }[]>`
    select id from deliveries where state in ('pending', 'enqueued') and due_at is not null
    order by created_at, occurrence, id`
  const taken = waiting.map(({ id }) => ({ id, to: random.pick(['', 'enqueued', 'running', 'running']) }))
  const idsTo = (state: string) => taken.filter(({ to }) => to === state).map(({ id }) => id)
  await db`
    update deliveries set state = 'enqueued', enqueued_at = now()
    where state = 'pending' and due_at is not null and id = any(${idsTo('enqueued')}::uuid[])`
  await db`
    update deliveries set state = 'running', attempts = attempts + 1, started_at = now(), worker_id = 'sim',
      lease_until = now() + interval '1 hour'
    where state in ('pending', 'enqueued') and due_at is not null and id = any(${idsTo('running')}::uuid[])`
}
