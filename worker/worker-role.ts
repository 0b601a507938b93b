import { checkDatabase, openDatabase } from '../src/db.ts'
import { describeError } from '../src/errors.ts'
import { openQueue } from '../src/queue.ts'
import { runRole } from '../src/role.ts'
import { createSecretBox } from '../src/secret-box.ts'
import { loadSecretKeys } from '../src/secret-keys.ts'
import { createDeliverer, leaseMs } from './deliver.ts'
import { runFileFetcher } from './fetch-files.ts'
import { createHttpClient } from './http.ts'
import { createMcpTools } from './mcp/create-mcp-tools.ts'
import { runRelay } from './relay.ts'
import { createTelegram } from './telegram/telegram.ts'
import { createWebhookSigner } from './webhook-signer.ts'
import { createWorkerId } from './worker-id.ts'

await runRole('worker', async ({ config, log, shutdown }) => {
  const { concurrency } = config.worker
  const db = openDatabase(config.databaseUrl, { name: 'worker' })
  shutdown.add(() => db.end({ timeout: 5 }))
  await checkDatabase(db, config.databaseUrl)

  const secrets = createSecretBox(await loadSecretKeys(config))
  const http = createHttpClient(config.outbound)
  shutdown.add(http.close)
  const mcp = createMcpTools({ db, http, secrets, gateways: config.ipfsGateways })
  shutdown.add(mcp.clients.close)
  const telegram = config.telegram && createTelegram(db, config.telegram)
  const queue = await openQueue(config, log)

  const workerId = createWorkerId()
  // Running calls may finish on the way down, but not longer than the process is given.
  const calls = new AbortController()
  shutdown.add(async () => {
    const impatient = setTimeout(() => calls.abort(), 8_000)
    await queue.close()
    clearTimeout(impatient)
  })

  const deliverer = createDeliverer({
    db,
    log,
    tools: { http, secrets, sign: createWebhookSigner(db, secrets), telegram, mcp },
    workerId,
    signal: calls.signal,
  })
  const heartbeat = setInterval(() => {
    deliverer
      .extendLeases()
      .catch((error) => log.warn({ error: describeError(error) }, 'could not extend leases'))
  }, leaseMs / 3)
  shutdown.add(() => clearInterval(heartbeat))

  await runFileFetcher({ db, log, shutdown, workerId, files: { http, gateways: config.ipfsGateways } })
  const relay = await runRelay({ db, queue, log, shutdown, workerId })
  await queue.consume(async (deliveryId, jobId) => {
    await deliverer.deliver(deliveryId, jobId)
    relay.noteRoom()
  }, concurrency)
  return { queue: queue.backend, concurrency, worker_id: workerId }
})
