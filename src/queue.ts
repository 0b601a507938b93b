import { randomBytes } from 'node:crypto'
import { type ConnectionOptions, createPostgresBackend, type Job, Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { describeError, UserError } from './errors.ts'
import type { Log } from './log.ts'

/** The queue of wake-ups. A job says "look at this delivery"; whether there is anything to do, the delivery's row decides. */
export type WakeUp = { id: string; enqueues: number; priority: number }

export type DeliveryQueue = {
  backend: 'postgres' | 'redis'
  /** Adds a job for each. One that exists already does no harm: whoever comes second finds nothing to do. */
  add(wakeUps: readonly WakeUp[]): Promise<void>
  /** Calls `run` with the ids of deliveries, at most `concurrency` at a time, until the queue is closed. */
  consume(run: (deliveryId: string, jobId: string) => Promise<void>, concurrency: number): Promise<void>
  /** Jobs waiting or running. */
  depth(): Promise<number>
  /** Waits for running jobs, then closes. */
  close(): Promise<void>
}

type Settings = { databaseUrl: string; redisUrl: string | undefined }
type JobData = { delivery_id: string }

const name = 'deliveries'

/** A job that was done is of no use: the delivery's row and its attempts are the record. */
const jobOptions = { removeOnComplete: true, removeOnFail: true, attempts: 1 }

/** BullMQ runs prioritised jobs after plain ones and knows 1 to 2,097,152: every job gets a priority, and 0 or less becomes 1. */
const priorityMax = 2_097_151

/**
 * Opens the queue on Redis where `redisUrl` is given, otherwise in the schema `bullmq` of the database.
 *
 * @throws UserError when the store does not answer, or would lose jobs.
 */
export async function openQueue(settings: Settings, log: Log): Promise<DeliveryQueue> {
  if (settings.redisUrl !== undefined) await checkRedis(settings.redisUrl)
  const backend = settings.redisUrl === undefined ? 'postgres' : 'redis'
  const onError = (error: unknown) => log.warn({ error: describeError(error) }, 'the queue had an error')

  const queue =
    settings.redisUrl === undefined
      ? new Queue(
          name,
          { connection: postgresConnection(settings.databaseUrl, 4), defaultJobOptions: jobOptions },
          createPostgresBackend,
        )
      : new Queue(name, {
          connection: redisConnection(settings.redisUrl),
          prefix: '{bull}',
          defaultJobOptions: jobOptions,
        })
  queue.on('error', onError)
  await queue.waitUntilReady()

  let closeWorker = () => Promise.resolve()
  return {
    backend,
    add: async (wakeUps) => {
      await queue.addBulk(
        wakeUps.map(({ id, enqueues, priority }) => ({
          name: 'deliver',
          data: { delivery_id: id },
          opts: {
            jobId: `${id}-${enqueues}-${randomBytes(3).toString('hex')}`,
            priority: Math.min(Math.max(Math.trunc(priority), 0), priorityMax - 1) + 1,
          },
        })),
      )
    },
    consume: async (run, concurrency) => {
      const processor = (job: Job<JobData>) => run(job.data.delivery_id, job.id ?? job.data.delivery_id)
      // A worker that died is noticed after lockDuration; how its delivery goes on is decided by the lease in its row.
      const options = {
        concurrency,
        lockDuration: 10_000,
        stalledInterval: 5_000,
        maxStalledCount: 2,
        runRetryDelay: 1_000,
      }
      const worker =
        settings.redisUrl === undefined
          ? new Worker(
              name,
              processor,
              { ...options, connection: postgresConnection(settings.databaseUrl, 8) },
              createPostgresBackend,
            )
          : new Worker(name, processor, {
              ...options,
              connection: redisConnection(settings.redisUrl),
              prefix: '{bull}',
            })
      worker.on('error', onError)
      // Not the action, whose failures are recorded: we could not look at the delivery. Its lease or the sweeper brings it back.
      worker.on('failed', (job, error) => {
        log.warn({ job_id: job?.id, error: describeError(error) }, 'could not work on a delivery')
      })
      closeWorker = () => worker.close()
      await worker.waitUntilReady()
    },
    depth: async () => {
      const counts = await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed')
      return Object.values(counts).reduce((sum, count) => sum + count, 0)
    },
    close: async () => {
      await closeWorker()
      await queue.close()
    },
  }
}

function postgresConnection(connectionString: string, max: number) {
  return { connectionString, schema: 'bullmq', migrate: true, max, application_name: 'tocsin queue' }
}

function redisConnection(url: string): ConnectionOptions {
  // null: a worker waits for Redis to come back instead of giving its job up.
  return { url, maxRetriesPerRequest: null } as ConnectionOptions
}

async function checkRedis(url: string): Promise<void> {
  const { host } = new URL(url)
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 5_000 })
  // The reason comes as an event; the call that fails only says that the connection is closed.
  let reason: unknown
  redis.on('error', (error) => {
    reason ??= error
  })
  const impatient = setTimeout(() => {
    reason ??= new Error('no answer in 10 s')
    redis.disconnect()
  }, 10_000)
  try {
    await redis.connect()
    const [, policy] = (await redis.config('GET', 'maxmemory-policy').catch(() => [])) as string[]
    if (policy !== undefined && policy !== 'noeviction') {
      throw new UserError(
        `REDIS_URL: Redis at ${host} may throw jobs away (maxmemory-policy is ${policy}). Set it to noeviction.`,
      )
    }
  } catch (error) {
    if (error instanceof UserError) throw error
    const why = describeError(reason ?? error)
    throw new UserError(
      /^(WRONGPASS|NOAUTH|ERR AUTH)/.test(why)
        ? `REDIS_URL: Redis at ${host} refuses the user or the password (${why}). Correct REDIS_URL.`
        : `REDIS_URL: no Redis answers at ${host} (${why}). Start it, correct REDIS_URL, or unset it to queue in Postgres.`,
    )
  } finally {
    clearTimeout(impatient)
    redis.disconnect()
  }
}
