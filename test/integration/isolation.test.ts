import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db.ts'
import { type DeliveryStack, startDeliveryStack } from '../support/delivery-stack.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { until } from '../support/until.ts'

let stack: DeliveryStack
let db: Database

beforeAll(async () => {
  stack = await startDeliveryStack()
  db = stack.db
})
afterAll(() => stack?.stop())
beforeEach(() => stack.clear())

describe('calls in flight', () => {
  test('are no more than the destination takes, whoever makes them', async () => {
    const id = await stack.makeTrigger('/slow')
    await db`update destinations set in_flight_max = 5`
    stack.hooks.answerWith(async () => {
      await delay(20)
      return 204
    })
    await stack.makeDeliveries(60)
    await until('all are sent', async () => (await stack.countIn(id, 'succeeded')) === 60)
    expect(stack.hooks.inFlightMax('/slow')).toBeGreaterThan(1)
    expect(stack.hooks.inFlightMax('/slow')).toBeLessThanOrEqual(5)
  })

  test('of a destination that hangs leave the others alone', async () => {
    const hanging = await stack.makeTrigger('/hang')
    await stack.makeDeliveries(100)
    stack.hooks.answerWith((path) => (path === '/hang' ? new Promise(() => {}) : 204))
    await until('it hangs', () => stack.hooks.paths('/hang').length === 20)
    const others = await Promise.all(['/a', '/b', '/c'].map((path) => stack.makeTrigger(path)))
    await db`update triggers set enabled = false where id = ${hanging}`
    const began = performance.now()
    await stack.makeDeliveries(50)
    for (const id of others)
      await until('it is sent', async () => (await stack.countIn(id, 'succeeded')) === 50)
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(stack.hooks.paths('/hang')).toHaveLength(20)
    stack.hooks.endAll()
  })
})

test('begin no faster than the destination allows, after a burst of a second', async () => {
  const id = await stack.makeTrigger('/paced')
  await db`update destinations set per_second_max = 20`
  await stack.makeDeliveries(50)
  await until('all are sent', async () => (await stack.countIn(id, 'succeeded')) === 50)
  const times = stack.hooks.paths('/paced').map(({ at }) => at)
  // 20 at once and 30 more at 20 a second.
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(1_300)
})

describe('the breaker of a destination', () => {
  const readDestination = async (path: string) => {
    const [row] = await db<
      { breaker: string; failures: number; times_opened: number; disabled_reason: string | null }[]
    >`select * from destinations where address = ${stack.hooks.url + path}`
    return row
  }

  test('opens at the failures in a row that the trigger names; what waits is not tried, and none of it is lost', async () => {
    const id = await stack.makeTrigger('/down', { circuit_breaker: { failures: 3, open_for: '2s' } })
    const working = await stack.makeTrigger('/up')
    stack.hooks.answerWith((path) => (path === '/down' ? 503 : 204))
    await db`update destinations set in_flight_max = 1`
    await stack.makeDeliveries(10)
    await until('it is open', async () => (await readDestination('/down'))?.breaker === 'open')
    await until('the other one works', async () => (await stack.countIn(working, 'succeeded')) === 10)
    expect(stack.hooks.paths('/down')).toHaveLength(3)
    expect(await db`select kind, message, resolved_at from alerts`).toEqual([
      {
        kind: 'breaker_open',
        message: `${stack.hooks.url}/down failed 3 times in a row, deliveries to it wait. Last: the receiver answered with HTTP 503`,
        resolved_at: null,
      },
    ])

    stack.hooks.answerWith(() => 204)
    await db`update deliveries set due_at = now() where trigger_id = ${id} and state = 'pending'`
    await until('all are sent', async () => (await stack.countIn(id, 'succeeded')) === 10)
    expect(await readDestination('/down')).toMatchObject({ breaker: 'closed', failures: 0, times_opened: 0 })
    const [attempts] = await db`select sum(attempts)::integer as sum from deliveries where trigger_id = ${id}`
    expect(attempts?.sum).toBe(13)
    expect(await db`select 1 from alerts where resolved_at is null`).toEqual([])
  })

  test('lets one delivery through to see; while that fails it stays open, each time for longer', async () => {
    await stack.makeTrigger('/down', { circuit_breaker: { failures: 1, open_for: '1s' } })
    stack.hooks.answerWith(() => 500)
    await stack.makeDeliveries(5)
    await db`update destinations set in_flight_max = 1`
    await until('it has opened three times', async () => (await readDestination('/down'))?.times_opened === 3)
    const sent = stack.hooks.paths('/down').map(({ at }) => at)
    const [first = 0, second = 0, third = 0] = sent.slice(-3)
    expect(second - first).toBeGreaterThan(900)
    expect(third - second).toBeGreaterThan(1_900)
    // One probe each time, and one alert for the whole outage.
    expect(await db`select 1 from alerts`).toHaveLength(1)
  })

  test('stays closed when a success comes in between, and when requests are refused as wrong', async () => {
    await stack.makeTrigger('/flaky', { circuit_breaker: { failures: 2, open_for: '1m' } })
    await db`update destinations set in_flight_max = 1`
    let number = 0
    stack.hooks.answerWith(() => [503, 204, 503, 404, 204, 503, 400][number++ % 7] ?? 204)
    await stack.makeDeliveries(7)
    await until('all were tried', () => stack.hooks.paths('/flaky').length === 7)
    expect(await readDestination('/flaky')).toMatchObject({ breaker: 'closed', times_opened: 0 })
  })

  test('tells of it through another action of the trigger that asks for alerts', async () => {
    const config = (path: string) => ({ config: { url: stack.hooks.url + path } })
    await insertTrigger(db, {
      actions: [config('/down'), { ...config('/ops'), alerts: true }, config('/other')],
    })
    await db`update triggers set circuit_breaker = ${db.json({ failures: 2, open_for: '1m' })}`
    stack.hooks.answerWith((path) => (path === '/down' ? 503 : 204))
    await stack.makeDeliveries(3)
    const told = await until('it is told', () => {
      const alerts = stack.hooks.paths('/ops').filter(({ body }) => body.type === 'trigger.alert')
      return alerts.length > 0 && alerts
    })
    expect(told).toHaveLength(1)
    expect(told[0]?.body).toMatchObject({
      type: 'trigger.alert',
      version: 1,
      alert: { kind: 'breaker_open', message: expect.stringContaining('/down failed') },
    })
    await until('the matches went too', () => stack.hooks.paths('/ops').length === 4)
    expect(stack.hooks.paths('/other').filter(({ body }) => body.type === 'trigger.alert')).toEqual([])
  })

  test('a destination that says it is gone gets nothing more; what waited can be found and retried', async () => {
    const id = await stack.makeTrigger('/gone')
    await db`update destinations set in_flight_max = 1`
    stack.hooks.answerWith(() => 410)
    await stack.makeDeliveries(5)
    await until('all have failed', async () => (await stack.countIn(id, 'failed')) === 5)
    expect(stack.hooks.paths('/gone')).toHaveLength(1)
    expect(await readDestination('/gone')).toMatchObject({ disabled_reason: expect.stringContaining('410') })
    const [waited] = await db`select error_message from deliveries where attempts = 0 limit 1`
    expect(waited?.error_message).toContain('its destination is disabled')
    expect(await db`select kind from alerts`).toEqual([{ kind: 'destination_gone' }])
  })
})
