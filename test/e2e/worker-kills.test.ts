import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { createRandom } from '../../src/dev/random.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents } from '../support/insert-events.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { makeDeliveries } from '../support/make-deliveries.ts'
import { startReceiver } from '../support/receiver.ts'
import { hasRedis, startRedis } from '../support/redis.ts'
import { startRole } from '../support/start-role.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

/** The whole test is 200 kills over 20,000 deliveries: TOCSIN_TEST_KILLS=200. A few show that it holds. */
const kills = Number(process.env.TOCSIN_TEST_KILLS ?? 3)
const deliveriesPerKill = 100
const destinations = 20

let database: Awaited<ReturnType<typeof createTestDatabase>>
let redis: Awaited<ReturnType<typeof startRedis>> | undefined
let receiver: Awaited<ReturnType<typeof startReceiver>>
let db: Database
const home = mkdtempSync(join(tmpdir(), 'tocsin-kills-'))

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  redis = hasRedis ? await startRedis() : undefined
  receiver = await startReceiver()
})
afterAll(async () => {
  await receiver?.close()
  await redis?.stop()
  await db?.end()
  await database?.drop()
  rmSync(home, { recursive: true, force: true })
})

test.each(hasRedis ? ['postgres', 'redis'] : ['postgres'])(
  'workers killed at random moments lose nothing, and repeat only what was in flight, with the same webhook-id; on %s',
  async (backend) => {
    await db`truncate destinations, events, matches, deliveries, action_results, triggers cascade`
    const random = createRandom(kills).next
    // Some answers take a while, so that kills find calls in flight.
    receiver.answerWith((_, response) => void setTimeout(() => response.writeHead(204).end(), random() * 60))
    await insertEvents(db, [sampleEvent('NewFeedback')], { chainId: 31337, lastBlock: 1 })
    for (let index = 0; index < destinations; index++) {
      const config = { url: `${receiver.url}/${index}`, max_attempts: 20, retry_schedule: ['1s'] }
      await insertTrigger(db, { actions: [{ config }] })
    }
    await db`update triggers set circuit_breaker = ${db.json({ failures: 1000, open_for: '1s' })}`
    const start = () =>
      startRole('worker', {
        DATABASE_URL: database.url,
        ...(backend === 'redis' ? { REDIS_URL: redis?.url ?? '' } : {}),
        TOCSIN_HOME: home,
        TOCSIN_LOG_LEVEL: 'error',
        OUTBOUND_ALLOW: '127.0.0.0/8',
      })

    let made = 0
    let worker = await start()
    for (let killed = 0; killed < kills; killed++) {
      const before = receiver.received.length
      await makeDeliveries(db, deliveriesPerKill, { from: made })
      made += deliveriesPerKill
      await until('something is on its way', () => receiver.received.length > before)
      await delay(random() * 150)
      await worker.kill()
      worker = await start()
    }
    await until(
      'everything has succeeded',
      async () => {
        const [row] = await db<{ left: number }[]>`
          select count(*) as left from deliveries where state <> 'succeeded'`
        return row?.left === 0
      },
      120_000,
    )
    await worker.stop()

    const sent = new Map<string, number>()
    for (const { headers } of receiver.received) {
      const id = String(headers['webhook-id'])
      sent.set(id, (sent.get(id) ?? 0) + 1)
    }
    const rows = await db<{ id: string; attempts: number; lost: number }[]>`
      select d.id, d.attempts, count(r.*) filter (where r.error_message like 'the worker % ended during attempt %') as lost
      from deliveries d left join action_results r on r.delivery_id = d.id group by d.id`
    expect(rows).toHaveLength(made)
    expect(rows.filter(({ id }) => !sent.has(id))).toEqual([])
    expect([...sent.keys()].filter((id) => !rows.some((row) => row.id === id))).toEqual([])
    // Every repeat is of an attempt that a kill cut off, and that is on record.
    expect(rows.filter(({ id, lost }) => (sent.get(id) ?? 0) > 1 + lost)).toEqual([])
    expect(rows.filter(({ attempts, lost }) => attempts !== 1 + lost)).toEqual([])
    const lost = rows.reduce((sum, row) => sum + row.lost, 0)
    expect(lost).toBeGreaterThan(0)
    const sentTwice = [...sent.values()].filter((times) => times > 1).length
    console.log(JSON.stringify({ backend, deliveries: made, kills, missing: 0, cutOff: lost, sentTwice }))
  },
  120_000 + kills * 6_000,
)
