import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { makeDeliveries } from '../support/make-deliveries.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const token = 'a-token-for-tests'

let database: TestDatabase
let db: Database

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'stats api test' })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`truncate events, event_status, action_metrics_hourly`
})

async function ask(parameters: string) {
  const log = createLog({ level: 'silent', format: 'json' }, 'test')
  const app = createApp({ db, log, secrets: testSecrets, token, userId: await ensureUser(db, 'bootstrap') })
  const response = await app.request(`/v1/stats?${parameters}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

test('events are counted by hour, chain and type, without retracted ones', async () => {
  const at = (id: string, time: string, chain_id = 31337) =>
    sampleEvent('Registered', { id, chain_id, block_time: new Date(`2026-02-01T${time}Z`) })
  const gone = at('gone', '10:20:00')
  const events = [at('a', '10:00:00'), at('b', '10:59:59'), at('c', '11:00:00'), at('d', '10:30:00', 1), gone]
  await insertEvents(db, [...events, at('before', '09:59:59'), at('after', '12:00:00')], {
    chainId: 31337,
    lastBlock: 12,
  })
  await setEventStatus(db, gone, 'retracted')
  const counted = { registry: 'identity', event_type: 'Registered' }
  expect((await ask('since=2026-02-01T10:15:00Z&until=2026-02-01T12:00:00Z')).body).toEqual({
    since: '2026-02-01T10:00:00.000Z',
    until: '2026-02-01T12:00:00.000Z',
    events: [
      { chain_id: 1, ...counted, count: 1 },
      { chain_id: 31337, ...counted, count: 3 },
    ],
    hours: [
      { hour: '2026-02-01T10:00:00.000Z', count: 3 },
      { hour: '2026-02-01T11:00:00.000Z', count: 1 },
    ],
    actions: [],
  })
  const { body } = await ask('chain_id=1&since=2026-02-01&until=2026-02-02')
  expect(body.hours).toEqual([{ hour: '2026-02-01T10:00:00.000Z', count: 1 }])
})

test('attempts are counted by hour and type of action', async () => {
  await insertEvents(db, [sampleEvent('NewFeedback')], { chainId: 31337, lastBlock: 12 })
  await insertTrigger(db, { actions: [{ config: { url: 'https://receiver.example/' } }] })
  await makeDeliveries(db, 1)
  for (const [attempt, status, duration] of [
    [0, 'success', 10],
    [1, 'success', 20],
    [2, 'failed', 60],
  ] as const) {
    await db`
      insert into action_results (delivery_id, job_id, trigger_id, event_id, action_type, status, executed_at, duration_ms, retry_count)
      select d.id, 'j', d.trigger_id, d.event_id, 'rest', ${status}, '2026-02-01T10:05:00Z', ${duration}, ${attempt} from deliveries d`
  }
  await db`select refresh_action_metrics()`
  expect((await ask('since=2026-02-01&until=2026-02-02')).body.actions).toEqual([
    {
      hour: '2026-02-01T10:00:00.000Z',
      action_type: 'rest',
      count: 3,
      success: 2,
      failure: 1,
      avg_duration_ms: 30,
      p95_duration_ms: 56,
    },
  ])
})

test.each([
  ['since=2026-02-02&until=2026-02-01', 'since', 'the range is empty: expected a time before until'],
  ['since=2025-02-02&until=2026-02-01', 'since', 'expected a time at most 92 days before until'],
  ['hour=5', 'hour', 'unknown; known are chain_id, since, until'],
])('%s is a 400 that names the parameter', async (parameters, path, message) => {
  const { status, body } = await ask(parameters)
  expect([status, body.errors]).toEqual([400, [{ path, message }]])
})
