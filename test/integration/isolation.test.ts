import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import { type DeliveryQueue, openQueue } from '../../src/queue.ts'
import { createShutdown, type Shutdown } from '../../src/shutdown.ts'
import { createDeliverer } from '../../worker/deliver.ts'
import { createHttpClient, type HttpClient } from '../../worker/http.ts'
import { matchStep } from '../../worker/match-step.ts'
import { runRelay } from '../../worker/relay.ts'
import { createWebhookSigner } from '../../worker/webhook-signer.ts'
import { sampleEvent } from '../support/events.ts'
import { startHooks } from '../support/hooks.ts'
import { insertEvents } from '../support/insert-events.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const log = createLog({ level: 'silent', format: 'json' }, 'test')
const chainId = 31337
let database: Awaited<ReturnType<typeof createTestDatabase>>
let receiver: Awaited<ReturnType<typeof startHooks>>
let db: Database
const queues: DeliveryQueue[] = []
let http: HttpClient
let shutdown: Shutdown
let eventNumber = 0

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  receiver = await startHooks()
  http = createHttpClient({ allow: parseCidrs('127.0.0.0/8'), deny: [] })
  shutdown = createShutdown()
  // Two relays and two workers, as two processes would be.
  for (const workerId of ['one', 'two']) {
    const queue = await openQueue({ databaseUrl: database.url, redisUrl: undefined }, log)
    queues.push(queue)
    const { signal } = new AbortController()
    const tools = { http, secrets: testSecrets, sign: createWebhookSigner(db, testSecrets) }
    const deliverer = createDeliverer({ db, log, tools, workerId, signal })
    const relay = await runRelay({ db, queue, log, shutdown, workerId: 'test' })
    await queue.consume(async (id, jobId) => {
      await deliverer.deliver(id, jobId)
      relay.noteRoom()
    }, 50)
  }
})
afterAll(async () => {
  await shutdown?.run()
  receiver?.endAll()
  for (const queue of queues) await queue.close()
  await http?.close()
  await receiver?.close()
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`truncate destinations, events, event_status, checkpoints, matcher_cursors, matches, deliveries, triggers cascade`
  receiver.answerWith(() => 204)
})

describe('calls in flight', () => {
  test('are no more than the destination takes, whoever makes them', async () => {
    const id = await makeTrigger('/slow')
    await db`update destinations set in_flight_max = 5`
    receiver.answerWith(async () => {
      await delay(20)
      return 204
    })
    await makeDeliveries(60)
    await until('all are sent', async () => (await countIn(id, 'succeeded')) === 60)
    expect(receiver.inFlightMax('/slow')).toBeGreaterThan(1)
    expect(receiver.inFlightMax('/slow')).toBeLessThanOrEqual(5)
  })

  test('of a destination that hangs leave the others alone', async () => {
    const hanging = await makeTrigger('/hang')
    await makeDeliveries(100)
    receiver.answerWith((path) => (path === '/hang' ? new Promise(() => {}) : 204))
    await until('it hangs', () => receiver.paths('/hang').length === 20)
    const others = await Promise.all(['/a', '/b', '/c'].map((path) => makeTrigger(path)))
    await db`update triggers set enabled = false where id = ${hanging}`
    const began = performance.now()
    await makeDeliveries(50)
    for (const id of others) await until('it is sent', async () => (await countIn(id, 'succeeded')) === 50)
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(receiver.paths('/hang')).toHaveLength(20)
    receiver.endAll()
  })
})

test('begin no faster than the destination allows, after a burst of a second', async () => {
  const id = await makeTrigger('/paced')
  await db`update destinations set per_second_max = 20`
  await makeDeliveries(50)
  await until('all are sent', async () => (await countIn(id, 'succeeded')) === 50)
  const times = receiver.paths('/paced').map(({ at }) => at)
  // 20 at once and 30 more at 20 a second.
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(1_300)
})

describe('the breaker of a destination', () => {
  const readDestination = async (path: string) => {
    const [row] = await db<
      { breaker: string; failures: number; times_opened: number; disabled_reason: string | null }[]
    >`select * from destinations where address = ${receiver.url + path}`
    return row
  }

  test('opens at the failures in a row that the trigger names; what waits is not tried, and none of it is lost', async () => {
    const id = await makeTrigger('/down', { circuit_breaker: { failures: 3, open_for: '2s' } })
    const working = await makeTrigger('/up')
    receiver.answerWith((path) => (path === '/down' ? 503 : 204))
    await db`update destinations set in_flight_max = 1`
    await makeDeliveries(10)
    await until('it is open', async () => (await readDestination('/down'))?.breaker === 'open')
    await until('the other one works', async () => (await countIn(working, 'succeeded')) === 10)
    expect(receiver.paths('/down')).toHaveLength(3)
    expect(await db`select kind, message, resolved_at from alerts`).toEqual([
      {
        kind: 'breaker_open',
        message: `${receiver.url}/down failed 3 times in a row, deliveries to it wait. Last: the receiver answered with HTTP 503`,
        resolved_at: null,
      },
    ])

    receiver.answerWith(() => 204)
    await db`update deliveries set due_at = now() where trigger_id = ${id} and state = 'pending'`
    await until('all are sent', async () => (await countIn(id, 'succeeded')) === 10)
    expect(await readDestination('/down')).toMatchObject({ breaker: 'closed', failures: 0, times_opened: 0 })
    const [attempts] = await db`select sum(attempts)::integer as sum from deliveries where trigger_id = ${id}`
    expect(attempts?.sum).toBe(13)
    expect(await db`select 1 from alerts where resolved_at is null`).toEqual([])
  })

  test('lets one delivery through to see; while that fails it stays open, each time for longer', async () => {
    await makeTrigger('/down', { circuit_breaker: { failures: 1, open_for: '1s' } })
    receiver.answerWith(() => 500)
    await makeDeliveries(5)
    await db`update destinations set in_flight_max = 1`
    await until('it has opened three times', async () => (await readDestination('/down'))?.times_opened === 3)
    const sent = receiver.paths('/down').map(({ at }) => at)
    const [first = 0, second = 0, third = 0] = sent.slice(-3)
    expect(second - first).toBeGreaterThan(900)
    expect(third - second).toBeGreaterThan(1_900)
    // One probe each time, and one alert for the whole outage.
    expect(await db`select 1 from alerts`).toHaveLength(1)
  })

  test('stays closed when a success comes in between, and when requests are refused as wrong', async () => {
    await makeTrigger('/flaky', { circuit_breaker: { failures: 2, open_for: '1m' } })
    await db`update destinations set in_flight_max = 1`
    let number = 0
    receiver.answerWith(() => [503, 204, 503, 404, 204, 503, 400][number++ % 7] ?? 204)
    await makeDeliveries(7)
    await until('all were tried', () => receiver.paths('/flaky').length === 7)
    expect(await readDestination('/flaky')).toMatchObject({ breaker: 'closed', times_opened: 0 })
  })

  test('tells of it through another action of the trigger that asks for alerts', async () => {
    const config = (path: string) => ({ config: { url: receiver.url + path } })
    await insertTrigger(db, {
      actions: [config('/down'), { ...config('/ops'), alerts: true }, config('/other')],
    })
    await db`update triggers set circuit_breaker = ${db.json({ failures: 2, open_for: '1m' })}`
    receiver.answerWith((path) => (path === '/down' ? 503 : 204))
    await makeDeliveries(3)
    const told = await until('it is told', () => {
      const alerts = receiver.paths('/ops').filter(({ body }) => body.type === 'trigger.alert')
      return alerts.length > 0 && alerts
    })
    expect(told).toHaveLength(1)
    expect(told[0]?.body).toMatchObject({
      type: 'trigger.alert',
      version: 1,
      alert: { kind: 'breaker_open', message: expect.stringContaining('/down failed') },
    })
    await until('the matches went too', () => receiver.paths('/ops').length === 4)
    expect(receiver.paths('/other').filter(({ body }) => body.type === 'trigger.alert')).toEqual([])
  })

  test('a destination that says it is gone gets nothing more; what waited can be found and retried', async () => {
    const id = await makeTrigger('/gone')
    await db`update destinations set in_flight_max = 1`
    receiver.answerWith(() => 410)
    await makeDeliveries(5)
    await until('all have failed', async () => (await countIn(id, 'failed')) === 5)
    expect(receiver.paths('/gone')).toHaveLength(1)
    expect(await readDestination('/gone')).toMatchObject({ disabled_reason: expect.stringContaining('410') })
    const [waited] = await db`select error_message from deliveries where attempts = 0 limit 1`
    expect(waited?.error_message).toContain('its destination is disabled')
    expect(await db`select kind from alerts`).toEqual([{ kind: 'destination_gone' }])
  })
})

async function makeTrigger(path: string, options: { circuit_breaker?: object } = {}): Promise<string> {
  const id = await insertTrigger(db, {
    actions: [{ config: { url: receiver.url + path, timeout_ms: 60_000 } }],
  })
  if (options.circuit_breaker !== undefined) {
    await db`update triggers set circuit_breaker = ${db.json(options.circuit_breaker as never)} where id = ${id}`
  }
  return id
}

/** As many for each enabled trigger, by way of real events and the matcher. */
async function makeDeliveries(count: number): Promise<void> {
  const events = Array.from({ length: count }, () => {
    eventNumber += 1
    const tx = `0x${eventNumber}`
    return sampleEvent('NewFeedback', {
      id: `event-${eventNumber}`,
      block_number: eventNumber,
      transaction_hash: tx,
      occurrence: tx,
      block_time: new Date(Date.UTC(2026, 1, 1) + eventNumber * 1000),
    })
  })
  await insertEvents(db, events, { chainId, lastBlock: eventNumber })
  await matchStep(db, chainId, undefined, { eventsMax: 10_000 })
}

async function countIn(triggerId: string, state: string): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    select count(*) as count from deliveries where trigger_id = ${triggerId} and state = ${state}`
  return row?.count ?? 0
}
