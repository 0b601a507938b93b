import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Agent, request } from 'undici'
import { loadConfig } from '../src/config.ts'
import { type Database, openDatabase } from '../src/db.ts'
import { createScratchDatabase } from '../src/dev/scratch-database.ts'
import { openInstallation } from '../src/installation.ts'
import { createLog } from '../src/log.ts'
import { applyMigrations } from '../src/migrate.ts'
import { openQueue } from '../src/queue.ts'
import { createShutdown, type Shutdown } from '../src/shutdown.ts'
import { sampleEvent } from '../test/support/events.ts'
import { insertEvents } from '../test/support/insert-events.ts'
import { insertTrigger } from '../test/support/insert-trigger.ts'
import { makeDeliveries } from '../test/support/make-deliveries.ts'
import { hasRedis, startRedis } from '../test/support/redis.ts'
import { startRole } from '../test/support/start-role.ts'
import { until } from '../test/support/until.ts'

const destinations = 50
const backlog = { postgres: 6_000, redis: 20_000 }
const noopJobs = { postgres: 4_000, redis: 20_000 }
const undiciSeconds = 5
const concurrency = 50
/** How long deliveries go on coming while one destination in fifty hangs. */
const hangingSeconds = 40

/**
 * Webhooks a second through the whole path, from rows in the outbox to recorded results, with a worker in a process of its
 * own; on each backend, next to what the same machine does in the same run with a bare loop of requests, and with jobs that do
 * nothing. Then the 99th percentile from outbox to result for 49 destinations while the fiftieth hangs, at half that rate.
 */
export async function deliver(): Promise<unknown> {
  const shutdown = createShutdown()
  try {
    return await measure(shutdown)
  } finally {
    await shutdown.run()
  }
}

async function measure(shutdown: Shutdown): Promise<unknown> {
  const { databaseUrl } = await openInstallation(loadConfig(), shutdown, console.error)
  const receiverUrl = await startReceiver(shutdown)
  const redis = hasRedis ? await startRedis() : undefined
  if (redis === undefined) console.error('No REDIS_URL and no redis-server: only Postgres is measured.')
  else shutdown.add(redis.stop)

  const bareUndiciPerSecond = await measureUndici(`${receiverUrl}/bare`)
  console.error(`bare undici: ${bareUndiciPerSecond}/s`)
  const found: Record<string, unknown> = {}
  const bare: Record<string, number> = {}
  for (const backend of ['postgres', 'redis'] as const) {
    const redisUrl = backend === 'redis' ? redis?.url : undefined
    if (backend === 'redis' && redisUrl === undefined) continue
    const { url } = await createScratchDatabase(databaseUrl, `tocsin_bench_${backend}`, shutdown)
    await applyMigrations(url)
    bare[backend] = await measureNoops(url, redisUrl, noopJobs[backend])
    console.error(`bare BullMQ on ${backend}: ${bare[backend]}/s`)
    const perSecond = await measureBacklog(url, redisUrl, receiverUrl, backlog[backend])
    console.error(`deliveries on ${backend}: ${perSecond}/s`)
    const hangingHostP99Ms = await measureHanging(url, redisUrl, receiverUrl, perSecond / 2)
    console.error(`p99 beside a hanging destination on ${backend}: ${hangingHostP99Ms} ms`)
    found[backend] = { perSecond, hangingHostP99Ms }
  }
  return { ...found, bareUndiciPerSecond, bareBullmq: bare }
}

async function startReceiver(shutdown: Shutdown): Promise<string> {
  const child = fork(fileURLToPath(new URL('hook-server.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
  })
  shutdown.add(() => void child.disconnect())
  const [port] = (await once(child, 'message')) as [number]
  return `http://127.0.0.1:${port}`
}

async function measureUndici(url: string): Promise<number> {
  const agent = new Agent({ connections: concurrency })
  const body = JSON.stringify({ type: 'trigger.matched', version: 1, event: sampleEvent('NewFeedback') })
  const end = performance.now() + undiciSeconds * 1000
  let sent = 0
  const loop = async () => {
    while (performance.now() < end) {
      const response = await request(url, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
        dispatcher: agent,
      })
      await response.body.dump()
      sent += 1
    }
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
  await agent.close()
  return Math.round(sent / undiciSeconds)
}

/** BullMQ as we open it, with jobs that do nothing. */
async function measureNoops(
  databaseUrl: string,
  redisUrl: string | undefined,
  jobs: number,
): Promise<number> {
  const queue = await openQueue(
    { databaseUrl, redisUrl },
    createLog({ level: 'warn', format: 'json' }, 'bench'),
  )
  let done = 0
  const began = performance.now()
  await queue.consume(async () => {
    done += 1
  }, concurrency)
  for (let added = 0; added < jobs; added += 500) {
    await queue.add(Array.from({ length: 500 }, () => ({ id: randomUUID(), enqueues: 1, priority: 1 })))
  }
  await until('the jobs are done', () => done >= jobs, 120_000)
  const perSecond = Math.round(jobs / ((performance.now() - began) / 1000))
  await queue.close()
  return perSecond
}

async function measureBacklog(
  databaseUrl: string,
  redisUrl: string | undefined,
  receiverUrl: string,
  count: number,
): Promise<number> {
  const db = openDatabase(databaseUrl, { name: 'bench' })
  await prepare(db, (index) => `${receiverUrl}/${index}`)
  // Made before the clock starts, as a matcher would; a first few warm the worker up.
  await makeDeliveries(db, 200)
  await makeDeliveries(db, count, { dueAt: 'infinity' })
  const worker = await startWorker(databaseUrl, redisUrl)
  await until('the worker is warm', async () => (await countIn(db, 'succeeded')) === 200, 60_000)
  await db`update deliveries set due_at = now() where state = 'pending'`
  const began = performance.now()
  await db`select pg_notify('delivery_pending', '')`
  await until('everything is sent', async () => (await countIn(db, 'succeeded')) === 200 + count, 300_000)
  const perSecond = Math.round(count / ((performance.now() - began) / 1000))
  await worker.stop()
  await db`truncate destinations, triggers, matches, deliveries, events cascade`
  await db.end()
  return perSecond
}

async function measureHanging(
  databaseUrl: string,
  redisUrl: string | undefined,
  receiverUrl: string,
  perSecond: number,
): Promise<number> {
  const db = openDatabase(databaseUrl, { name: 'bench' })
  await prepare(db, (index) => `${receiverUrl}/${index === 0 ? 'hang' : index}`)
  const worker = await startWorker(databaseUrl, redisUrl)
  const end = performance.now() + hangingSeconds * 1000
  let made = 0
  const began = performance.now()
  while (performance.now() < end) {
    const wanted = Math.floor(((performance.now() - began) / 1000) * perSecond)
    if (wanted > made) await makeDeliveries(db, wanted - made, { from: made })
    made = Math.max(made, wanted)
    await delay(50)
  }
  const [left] = await until('the others are sent', async () => {
    const rows = await db<{ hanging: number; others: number; p99: number }[]>`
      select
        count(*) filter (where x.address like '%/hang') as hanging,
        count(*) filter (where x.address not like '%/hang' and d.state <> 'succeeded') as others,
        percentile_disc(0.99) within group (order by extract(epoch from d.finished_at - d.created_at) * 1000)
          filter (where x.address not like '%/hang') as p99
      from deliveries d join destinations x on x.id = d.destination_id`
    return rows[0]?.others === 0 && rows
  })
  if (left === undefined || left.hanging === 0) throw new Error('Nothing was sent to the hanging destination')
  await worker.kill()
  await db.end()
  return Math.round(left.p99)
}

async function prepare(db: Database, urlOf: (index: number) => string): Promise<void> {
  await insertEvents(db, [sampleEvent('NewFeedback')], { chainId: 31337, lastBlock: 1 })
  for (let index = 0; index < destinations; index++) {
    await insertTrigger(db, { actions: [{ config: { url: urlOf(index), timeout_ms: 30_000 } }] })
  }
}

async function startWorker(databaseUrl: string, redisUrl: string | undefined) {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'))
  const role = await startRole('worker', {
    DATABASE_URL: databaseUrl,
    ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
    TOCSIN_HOME: home,
    TOCSIN_LOG_LEVEL: 'warn',
    OUTBOUND_ALLOW: '127.0.0.0/8',
  })
  role.child.on('exit', () => rmSync(home, { recursive: true, force: true }))
  return role
}

async function countIn(db: Database, state: string): Promise<number> {
  const [row] = await db<{ count: number }[]>`select count(*) as count from deliveries where state = ${state}`
  return row?.count ?? 0
}
