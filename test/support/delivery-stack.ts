import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import { type DeliveryQueue, openQueue } from '../../src/queue.ts'
import { createShutdown } from '../../src/shutdown.ts'
import { inTransaction } from '../../src/store/transaction.ts'
import { createDeliverer } from '../../worker/deliver.ts'
import { createHttpClient } from '../../worker/http.ts'
import { matchStep } from '../../worker/match-step.ts'
import { runRelay } from '../../worker/relay.ts'
import { createWebhookSigner } from '../../worker/webhook-signer.ts'
import { sampleEvent } from './events.ts'
import { startHooks } from './hooks.ts'
import { insertEvents } from './insert-events.ts'
import { insertTrigger } from './insert-trigger.ts'
import { testSecrets } from './secrets.ts'
import { createTestDatabase } from './test-database.ts'

const chainId = 31337
const log = createLog({ level: 'silent', format: 'json' }, 'test')

export type DeliveryStack = Awaited<ReturnType<typeof startDeliveryStack>>

/** From events to users' systems in one process: a database, two relays with a worker each (as two processes would be), and hooks. */
export async function startDeliveryStack() {
  const database = await createTestDatabase()
  await applyMigrations(database.url)
  const db: Database = openDatabase(database.url, { name: 'test' })
  const hooks = await startHooks()
  const http = createHttpClient({ allow: parseCidrs('127.0.0.0/8'), deny: [] })
  const shutdown = createShutdown()
  const queues: DeliveryQueue[] = []
  for (const workerId of ['one', 'two']) {
    const queue = await openQueue({ databaseUrl: database.url, redisUrl: undefined }, log)
    queues.push(queue)
    const { signal } = new AbortController()
    const tools = { http, secrets: testSecrets, sign: createWebhookSigner(db, testSecrets) }
    const deliverer = createDeliverer({ db, log, tools, workerId, signal })
    const relay = await runRelay({ db, queue, log, shutdown, workerId })
    await queue.consume(async (id, jobId) => {
      await deliverer.deliver(id, jobId)
      relay.noteRoom()
    }, 50)
  }

  let eventNumber = 0
  return {
    db,
    hooks,
    /** A trigger on every feedback, with one webhook. Returns its id. */
    makeTrigger: async (
      path: string,
      { circuit_breaker, ...config }: { circuit_breaker?: object } & Record<string, unknown> = {},
    ): Promise<string> => {
      const id = await insertTrigger(db, {
        actions: [{ config: { url: hooks.url + path, timeout_ms: 60_000, ...config } }],
      })
      if (circuit_breaker !== undefined) {
        await db`update triggers set circuit_breaker = ${db.json(circuit_breaker as never)} where id = ${id}`
      }
      return id
    },
    /** As many for each enabled trigger, by way of real events and the matcher. */
    makeDeliveries: async (count: number): Promise<void> => {
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
    },
    countIn: async (triggerId: string, state: string): Promise<number> => {
      const [row] = await db<{ count: number }[]>`
        select count(*) as count from deliveries where trigger_id = ${triggerId} and state = ${state}`
      return row?.count ?? 0
    },
    /** Forgets everything that was made. */
    clear: async (): Promise<void> => {
      // A worker that is about to end can have locked the same tables in another order.
      await inTransaction(
        db,
        (transaction) =>
          transaction`truncate destinations, events, event_status, checkpoints, matcher_cursors, matches, deliveries, triggers cascade`,
        10,
      )
      hooks.answerWith(() => 204)
    },
    stop: async (): Promise<void> => {
      await shutdown.run()
      hooks.endAll()
      for (const queue of queues) await queue.close()
      await http.close()
      await hooks.close()
      await db.end()
      await database.drop()
    },
  }
}
