import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { claimDeliveries, extendLeases, sweepDeliveries } from '../../src/store/delivering.ts'
import { matchStep } from '../../worker/match-step.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents } from '../support/insert-events.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test', connectionsMax: 2 })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

it('a living worker keeps what it is at, and nothing else', async () => {
  await insertTrigger(db, { actions: [{ config: {} }, { config: {} }] })
  await insertEvents(db, [sampleEvent('NewFeedback')], { chainId: 31337, lastBlock: 12 })
  await matchStep(db, 31337, undefined, { eventsMax: 10 })
  const [busy, forgotten] = (await db<{ id: string }[]>`select id from deliveries`).map(({ id }) => id)
  await db`update deliveries set state = 'enqueued'`
  for (const id of [busy, forgotten]) {
    expect(await claimDeliveries(db, [[id], 'worker', 100])).toHaveLength(1)
  }
  // The end of the other one could not be recorded: the worker goes on without it.
  await extendLeases(db, ['worker', 60_000, [busy]])
  await until('the lease has run out', async () => {
    const [swept] = await sweepDeliveries(db, [60_000])
    return swept?.lost === 1
  })
  const states = await db`select id, state from deliveries order by state`
  expect(states).toEqual([
    { id: forgotten, state: 'pending' },
    { id: busy, state: 'running' },
  ])

  // Nobody prolongs what somebody else runs.
  await extendLeases(db, ['another', 1, [busy]])
  expect((await sweepDeliveries(db, [60_000]))[0]?.lost).toBe(0)
})
