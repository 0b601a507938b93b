import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import { type DeliveryQueue, openQueue } from '../../src/queue.ts'
import { createShutdown, type Shutdown } from '../../src/shutdown.ts'
import { cancelDelivery, retryDeliveries, retryDelivery } from '../../src/store/dead-letters.ts'
import { claimDeliveries, sweepDeliveries } from '../../src/store/delivering.ts'
import { createDeliverer } from '../../worker/deliver.ts'
import { createHttpClient, type HttpClient } from '../../worker/http.ts'
import { matchStep } from '../../worker/match-step.ts'
import { relayDue, runRelay } from '../../worker/relay.ts'
import { createWebhookSigner } from '../../worker/webhook-signer.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents } from '../support/insert-events.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { startReceiver } from '../support/receiver.ts'
import { hasRedis, startRedis } from '../support/redis.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const log = createLog({ level: 'warn', format: 'json' }, 'test')
const chainId = 31337
if (!hasRedis)
  console.log('No REDIS_URL and no redis-server: the queue is held to its contract on Postgres only.')

describe.each(hasRedis ? ['postgres', 'redis'] : ['postgres'])(
  'deliveries with the queue on %s',
  (backend) => {
    let database: Awaited<ReturnType<typeof createTestDatabase>>
    let redis: Awaited<ReturnType<typeof startRedis>> | undefined
    let receiver: Awaited<ReturnType<typeof startReceiver>>
    let db: Database
    let queue: DeliveryQueue
    let http: HttpClient
    let shutdown: Shutdown
    let eventNumber = 0

    beforeAll(async () => {
      database = await createTestDatabase()
      await applyMigrations(database.url)
      db = openDatabase(database.url, { name: 'test' })
      redis = backend === 'redis' ? await startRedis() : undefined
      receiver = await startReceiver()
      queue = await openQueue({ databaseUrl: database.url, redisUrl: redis?.url }, log)
      http = createHttpClient({ allow: parseCidrs('127.0.0.0/8'), deny: [] })
      shutdown = createShutdown()
      const relay = await runRelay({ db, queue, log, shutdown, workerId: 'test' })
      const deliver = work('worker-1')
      await queue.consume(async (deliveryId, jobId) => {
        await deliver(deliveryId, jobId)
        relay.noteRoom()
      }, 20)
    })
    afterAll(async () => {
      await shutdown?.run()
      await queue?.close()
      await http?.close()
      await receiver?.close()
      await redis?.stop()
      await db?.end()
      await database?.drop()
    })
    beforeEach(async () => {
      await db`truncate destinations, events, event_status, checkpoints, matcher_cursors, matches, deliveries, action_results, triggers cascade`
      receiver.answerWith((_, response) => void response.writeHead(204).end())
    })

    const work = (workerId: string) => {
      const { signal } = new AbortController()
      return createDeliverer({
        db,
        log,
        tools: { http, secrets: testSecrets, sign: createWebhookSigner(db, testSecrets) },
        workerId,
        signal,
      }).deliver
    }

    /** Makes `count` deliveries of one trigger by way of real events and the matcher. */
    const makeDeliveries = async (count: number, config: Record<string, unknown> = {}) => {
      await insertTrigger(db, { actions: [{ config: { url: `${receiver.url}/hook`, ...config } }] })
      await db`update triggers set circuit_breaker = ${db.json({ failures: 1000, open_for: '1m' })}`
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
      return events
    }

    const deliveries = () =>
      db<
        { id: string; state: string; attempts: number; due_in_ms: number; error_message: string | null }[]
      >`select id, state, attempts, (extract(epoch from due_at - now()) * 1000)::bigint as due_in_ms, error_message from deliveries`

    const results = () => db`select * from action_results order by delivery_id, retry_count`

    const allIn = (state: string) =>
      until(`every delivery is ${state}`, async () =>
        (await deliveries()).every((row) => row.state === state),
      )

    it('sends one request and records one attempt for each delivery', async () => {
      const events = await makeDeliveries(100)
      await allIn('succeeded')
      expect(receiver.received).toHaveLength(100)
      const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
      expect(new Set(ids).size).toBe(100)
      const bodies = receiver.received.map(({ body }) => JSON.parse(body))
      expect(bodies.map(({ event }) => event.id).sort()).toEqual(events.map(({ id }) => id).sort())
      const rows = await results()
      expect(rows).toHaveLength(100)
      for (const row of rows) {
        expect(row).toMatchObject({
          status: 'success',
          retry_count: 0,
          error_message: null,
          action_type: 'rest',
        })
        expect(row.response_data).toMatchObject({ status: 204 })
        expect(row.duration_ms).toBeGreaterThanOrEqual(0)
      }
    })

    it('sends nothing for a job that comes twice, or comes again after its end', async () => {
      await makeDeliveries(1)
      const [delivery] = await deliveries()
      if (delivery === undefined) throw new Error('no delivery')
      await Promise.all(Array.from({ length: 10 }, () => work('worker-2')(delivery.id, 'job')))
      await allIn('succeeded')
      await queue.add([{ id: delivery.id, enqueues: 0, priority: 1 }])
      await until('the queue is empty', async () => (await queue.depth()) === 0)
      expect(receiver.received).toHaveLength(1)
      expect(await results()).toHaveLength(1)
    })

    it('tries again after a passing failure, with the same webhook-id, and keeps both attempts', async () => {
      receiver.answerWith((_, response) => void response.writeHead(503).end('busy'))
      await makeDeliveries(1)
      const [waiting] = await until('the first attempt failed', async () => {
        const rows = await deliveries()
        return rows[0]?.attempts === 1 && rows[0].state === 'pending' && rows
      })
      expect(waiting?.due_in_ms).toBeGreaterThan(3000)
      expect(waiting?.due_in_ms).toBeLessThan(5600)
      expect(waiting?.error_message).toBe('the receiver answered with HTTP 503')
      const [first] = receiver.received
      receiver.answerWith((_, response) => void response.writeHead(200).end('thanks'))
      await db`update deliveries set due_at = now()`
      await db`select pg_notify('delivery_pending', '')`
      await allIn('succeeded')
      expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([
        first?.headers['webhook-id'],
      ])
      expect(await results()).toMatchObject([
        { status: 'retrying', retry_count: 0, response_data: { status: 503, body: 'busy' } },
        { status: 'success', retry_count: 1, response_data: { status: 200, body: 'thanks' } },
      ])
    })

    it('honours Retry-After', async () => {
      receiver.answerWith((_, response) => void response.writeHead(429, { 'retry-after': '120' }).end())
      await makeDeliveries(1)
      const [row] = await until('the first attempt failed', async () => {
        const rows = await deliveries()
        return rows[0]?.state === 'pending' && rows[0].attempts === 1 && rows
      })
      expect(row?.due_in_ms).toBeGreaterThan(100_000)
    })

    it('gives up after max_attempts, and at once when repeating cannot help', async () => {
      receiver.answerWith((_, response) => void response.writeHead(500).end())
      await makeDeliveries(1, { max_attempts: 1 })
      await allIn('failed')
      expect(await results()).toMatchObject([{ status: 'failed', retry_count: 0 }])
      for (const status of [301, 400, 404, 410]) {
        await db`truncate deliveries, action_results, triggers cascade`
        receiver.answerWith(
          (_, response) => void response.writeHead(status, { location: '/elsewhere' }).end(),
        )
        await makeDeliveries(1)
        await allIn('failed')
        expect(receiver.received).toHaveLength(1)
      }
    })

    it('ends a call that gets no answer in time', async () => {
      receiver.answerWith(() => {})
      await makeDeliveries(1, { timeout_ms: 1000, max_attempts: 1 })
      await allIn('failed')
      const [row] = await results()
      expect(row?.error_message).toBe('no answer within 1000 ms')
      expect(row?.duration_ms).toBeGreaterThanOrEqual(990)
    })

    it('keeps the first 4 KiB of an answer and does not read the rest', async () => {
      receiver.answerWith((_, response) => void response.writeHead(200).end('é'.repeat(100_000)))
      await makeDeliveries(1)
      await allIn('succeeded')
      const [row] = await results()
      expect(Buffer.byteLength(row?.response_data.body)).toBe(4096)
      expect(row?.response_data.body_truncated).toBe(true)
    })

    it('stores an answer that Postgres could not hold as it is', async () => {
      receiver.answerWith(
        (_, response) => void response.writeHead(200).end(Buffer.from([0x61, 0x00, 0xff, 0x62])),
      )
      await makeDeliveries(1)
      await allIn('succeeded')
      expect((await results())[0]?.response_data.body).toBe('a\ufffd\ufffdb')
    })

    it('records an attempt whose template cannot be rendered as failed', async () => {
      await makeDeliveries(1, { body_template: { text: '{{ event.no_such_field }}' } })
      await allIn('failed')
      expect((await results())[0]?.error_message).toContain('no_such_field')
      expect(receiver.received).toHaveLength(0)
    })

    it('takes up what a dead worker left, and records the attempt that nobody saw the end of', async () => {
      await insertTrigger(db, { actions: [{ config: { url: `${receiver.url}/hook` } }] })
      await db`update triggers set enabled = false`
      const [action] = await db`select id, trigger_id, destination_id from trigger_actions`
      const event = sampleEvent('NewFeedback')
      await insertEvents(db, [event], { chainId, lastBlock: 1 })
      await db.begin(async (tx) => {
        const [match] = await tx`
        insert into matches (trigger_id, trigger_version, chain_id, occurrence, event_id, block_number, block_time, evidence)
        values (${action?.trigger_id}, 1, ${chainId}, 'o', ${event.id}, 1, ${event.block_time}, '[]') returning id`
        await tx`
        insert into deliveries
          (match_id, trigger_id, action_id, occurrence, event_id, block_time, action_type, priority, destination_id, state)
        values (${match?.id}, ${action?.trigger_id}, ${action?.id}, 'o', ${event.id}, ${event.block_time}, 'rest', 1,
          ${action?.destination_id}, 'enqueued')`
        const [row] = await tx`select id from deliveries`
        expect(await claimDeliveries(tx, [[row?.id], 'dead-worker', 50])).toHaveLength(1)
      })
      const swept = await until('the lease is over', async () => {
        const [found] = await sweepDeliveries(db, [60_000])
        return found !== undefined && found.lost === 1 && found
      })
      expect(swept).toMatchObject({ lost: 1, straggling: 0 })
      await db`select pg_notify('delivery_pending', '')`
      await allIn('succeeded')
      expect(await results()).toMatchObject([
        { status: 'retrying', retry_count: 0, error_message: expect.stringContaining('dead-worker') },
        { status: 'success', retry_count: 1 },
      ])
      expect(receiver.received).toHaveLength(1)
    })

    it('cancels what has lost its trigger, and says why', async () => {
      receiver.answerWith((_, response) => void response.writeHead(503).end())
      await makeDeliveries(1)
      await until('the first attempt failed', async () => (await deliveries())[0]?.attempts === 1)
      await until('it waits', async () => (await deliveries())[0]?.state === 'pending')
      await db`delete from triggers`
      await db`update deliveries set due_at = now()`
      await db`select pg_notify('delivery_pending', '')`
      await allIn('cancelled')
      expect((await deliveries())[0]?.error_message).toBe('its trigger or action was deleted')
      expect(receiver.received).toHaveLength(1)
    })

    /** The id of the only delivery there is. */
    const onlyId = async () => {
      const [row, ...others] = await deliveries()
      if (row === undefined || others.length > 0) throw new Error('not one delivery')
      return row.id
    }

    it('retries at once with the same webhook-id, attempts counted on, and a whole new schedule', async () => {
      const statuses = [503, 503, 503, 404, 200]
      receiver.answerWith((_, response) => void response.writeHead(statuses.shift() ?? 500).end())
      await makeDeliveries(1, { max_attempts: 2, retry_schedule: ['1s'] })
      await allIn('failed')
      const [first, second] = await results()
      // A pause that is shorter than the relay's poll is kept all the same.
      expect(second?.executed_at - first?.executed_at).toBeGreaterThan(850)
      expect(second?.executed_at - first?.executed_at).toBeLessThan(3000)
      const id = await onlyId()
      expect(receiver.received).toHaveLength(2)

      expect(await retryDelivery(db, id)).toMatchObject({
        changed: { id, state: 'pending', attempts: 2, finished_at: null, error_message: null },
      })
      // The third attempt is the first of its schedule: it may be tried again, although max_attempts is 2.
      await until('it failed again', async () => (await deliveries())[0]?.attempts === 4)
      await allIn('failed')

      await retryDelivery(db, id)
      await allIn('succeeded')
      expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual(Array(5).fill(id))
      expect(await results()).toMatchObject([
        { retry_count: 0, status: 'retrying' },
        { retry_count: 1, status: 'failed' },
        { retry_count: 2, status: 'retrying' },
        { retry_count: 3, status: 'failed', response_data: { status: 404 } },
        { retry_count: 4, status: 'success' },
      ])
    })

    it('waits as the schedule of the action says', async () => {
      receiver.answerWith((_, response) => void response.writeHead(503).end())
      await makeDeliveries(1, { retry_schedule: ['2h', '10m'] })
      for (const [attempts, pauseMs] of [
        [1, 7_200_000],
        [2, 600_000],
        [3, 600_000],
      ] as const) {
        const [row] = await until(`attempt ${attempts} failed`, async () => {
          const rows = await deliveries()
          return rows[0]?.attempts === attempts && rows[0].state === 'pending' && rows
        })
        expect(row?.due_in_ms).toBeGreaterThan(pauseMs * 0.9 - 10_000)
        expect(row?.due_in_ms).toBeLessThan(pauseMs * 1.1)
        await db`update deliveries set due_at = now()`
        await db`select pg_notify('delivery_pending', '')`
      }
    })

    it('counts the attempts that workers died in by schedule too; what is unknown can be retried', async () => {
      await makeDeliveries(1)
      await allIn('succeeded')
      const id = await onlyId()
      const dieDuringAttempt = (attempt: number) =>
        db`update deliveries set state = 'running', attempts = ${attempt}, attempts_before = 8, worker_id = 'dead-worker',
             started_at = now(), finished_at = null, lease_until = now() - interval '1 second'`
      await dieDuringAttempt(15)
      await sweepDeliveries(db, [60_000])
      await db`select pg_notify('delivery_pending', '')`
      await until('attempt 16 was made', async () => (await deliveries())[0]?.attempts === 16)
      await allIn('succeeded')

      await dieDuringAttempt(16)
      await sweepDeliveries(db, [60_000])
      await allIn('unknown')
      expect(await db`select finished_at from deliveries`).toEqual([{ finished_at: expect.any(Date) }])
      expect(await retryDelivery(db, id)).toMatchObject({ changed: { attempts: 16 } })
      await allIn('succeeded')
      expect((await deliveries())[0]?.attempts).toBe(17)
    })

    it('retries all in batches, each once, also those that fail again meanwhile', async () => {
      receiver.answerWith((_, response) => void response.writeHead(404).end())
      await makeDeliveries(30)
      await allIn('failed')
      const filter = { since: new Date(0) }
      expect(await retryDeliveries(db, filter, { batch: 7 })).toBe(30)
      await until('all have failed again', async () =>
        (await deliveries()).every(({ state, attempts }) => state === 'failed' && attempts === 2),
      )
      receiver.answerWith((_, response) => void response.writeHead(204).end())
      expect(await retryDeliveries(db, filter)).toBe(30)
      await allIn('succeeded')
      expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(30)
      expect(receiver.received).toHaveLength(30)
      expect(await retryDeliveries(db, filter)).toBe(0)
      expect(await results()).toHaveLength(90)
    })

    it('retries once what several people retry at the same time', async () => {
      receiver.answerWith((_, response) => void response.writeHead(404).end())
      await makeDeliveries(50)
      await allIn('failed')
      receiver.answerWith((_, response) => void response.writeHead(204).end())
      const counts = await Promise.all(
        Array.from({ length: 4 }, () => retryDeliveries(db, { state: 'failed' }, { batch: 10 })),
      )
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(50)
      await allIn('succeeded')
      expect(receiver.received).toHaveLength(50)
    })

    it('sends nothing for what was cancelled while it waited, and sends it when it is retried', async () => {
      receiver.answerWith((_, response) => void response.writeHead(503).end())
      await makeDeliveries(1)
      await until('it waits for its second attempt', async () => {
        const [row] = await deliveries()
        return row?.state === 'pending' && row.attempts === 1
      })
      const id = await onlyId()
      expect(await cancelDelivery(db, id)).toMatchObject({
        changed: { state: 'cancelled', error_message: 'cancelled on request', finished_at: expect.any(Date) },
      })
      receiver.answerWith((_, response) => void response.writeHead(204).end())
      await db`update deliveries set due_at = now()`
      expect(await relayDue(db, queue)).toBe(0)
      await work('worker-2')(id, 'job')
      expect(receiver.received).toHaveLength(0)
      await retryDelivery(db, id)
      await allIn('succeeded')
      expect(receiver.received).toHaveLength(1)
    })

    it('finds nothing to do in the job of a cancelled delivery; a retry with the same job id is run', async () => {
      await makeDeliveries(1)
      await allIn('succeeded')
      const id = await onlyId()
      receiver.answerWith((_, response) => void response.writeHead(204).end())
      await db`truncate action_results`
      await db`update deliveries set state = 'enqueued', enqueued_at = now(), attempts = 0, finished_at = null`
      expect(await cancelDelivery(db, id)).toMatchObject({ changed: { state: 'cancelled' } })
      await queue.add([{ id, enqueues: 0, priority: 1 }])
      await until('the queue is empty', async () => (await queue.depth()) === 0)
      expect(receiver.received).toHaveLength(0)
      await retryDelivery(db, id)
      await allIn('succeeded')
      expect(receiver.received).toHaveLength(1)
    })

    it('refuses to retry or cancel what runs, has succeeded, or has lost its action, and changes nothing', async () => {
      let answer = () => {}
      receiver.answerWith((_, response) => {
        answer = () => void response.writeHead(204).end()
      })
      await makeDeliveries(1)
      await until('it runs', () => receiver.received.length === 1)
      const id = await onlyId()
      expect(await cancelDelivery(db, id)).toEqual({ refused: expect.stringContaining('is running') })
      expect(await retryDelivery(db, id)).toEqual({ refused: expect.stringContaining('is running') })
      answer()
      await allIn('succeeded')
      expect(await cancelDelivery(db, id)).toEqual({ refused: expect.stringContaining('is succeeded') })
      expect(await retryDelivery(db, id)).toEqual({ refused: expect.stringContaining('is succeeded') })

      await db`update deliveries set state = 'failed'`
      await db`delete from triggers`
      expect(await retryDelivery(db, id)).toEqual({ refused: expect.stringContaining('was deleted') })
      expect(await retryDeliveries(db, { state: 'failed' })).toBe(0)
      expect(await results()).toHaveLength(1)
      const nobody = '00000000-0000-4000-8000-000000000000'
      expect([await retryDelivery(db, nobody), await cancelDelivery(db, nobody)]).toEqual([
        undefined,
        undefined,
      ])
    })

    it('loses nothing when the relay dies between its commit and adding the jobs', async () => {
      await makeDeliveries(5)
      await allIn('succeeded')
      // As a kill would leave them. What came before was another attempt.
      await db`update deliveries set state = 'enqueued', enqueued_at = now() - interval '61 seconds'`
      await until('they are sent', () => receiver.received.length === 10)
      await allIn('succeeded')
    })

    it('takes back what it could not add to the queue', async () => {
      await makeDeliveries(5, { url: `${receiver.url}/failing` })
      await allIn('succeeded')
      await db`update deliveries set state = 'pending', due_at = now()`
      const failing: DeliveryQueue = { ...queue, add: () => Promise.reject(new Error('no Redis')) }
      await expect(relayDue(db, failing)).rejects.toThrow('no Redis')
      await db`select pg_notify('delivery_pending', '')`
      await allIn('succeeded')
      expect(receiver.received).toHaveLength(10)
    })
  },
)
