import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { loadConfig } from '../config.ts'
import { openDatabase } from '../db.ts'
import { demoTriggers } from '../dev/demo-triggers.ts'
import { deployRegistries } from '../dev/deploy-registries.ts'
import { economyAccounts } from '../dev/economy-world.ts'
import { createEconomy } from '../dev/run-economy.ts'
import { createScratchDatabase } from '../dev/scratch-database.ts'
import { startAnvil } from '../dev/start-anvil.ts'
import { startWebhookReceiver } from '../dev/webhook-receiver.ts'
import { UserError } from '../errors.ts'
import { findFreePort } from '../free-port.ts'
import { openInstallation } from '../installation.ts'
import { createLog } from '../log.ts'
import { applyMigrations } from '../migrate.ts'
import { countStages, type StageCounts } from '../store/stages.ts'
import { coreRoleNames, superviseRoles } from '../supervise.ts'
import { createDemoScreen } from './demo-screen.ts'
import { runUntilStopped } from './run-until-stopped.ts'

type Options = { once?: boolean; json?: boolean; seed: number; rate: number }

const chainId = 31337
const enoughDeliveries = 50

/** How long `--once` waits for the last logs of the chain to come through every stage. */
const settleMaxMs = 30_000

/**
 * `tocsin demo`: a local chain, the registries, an economy of agents, all roles, and a webhook receiver, in a database of
 * its own that begins empty each time. Goes on until Ctrl-C, or with `--once` until 50 deliveries have succeeded.
 */
export async function runDemo(options: Options): Promise<void> {
  const startedAt = performance.now()
  await runUntilStopped(async (shutdown) => {
    const config = loadConfig()
    const screen = createDemoScreen({ quiet: options.json === true })
    shutdown.add(screen.close)
    screen.say('Starting Postgres and a local chain …')

    // Ports are free ones and the chain is new: whatever else runs on this machine is not in the way.
    const [{ databaseUrl: serverUrl, embedded }, chain] = await Promise.all([
      openInstallation(config, shutdown, screen.say),
      startAnvil({ chainId, accounts: economyAccounts }),
    ])
    shutdown.add(chain.stop)
    const [{ url: databaseUrl }, registries] = await Promise.all([
      createScratchDatabase(serverUrl, 'tocsin_demo', shutdown),
      deployRegistries({ rpcUrl: chain.rpcUrl, chainId }),
    ])
    await applyMigrations(databaseUrl)
    const db = openDatabase(databaseUrl, { name: 'demo', connectionsMax: 2 })
    shutdown.add(() => db.end())

    const receiver = await startWebhookReceiver(screen.showWebhook)
    shutdown.add(receiver.close)

    mkdirSync(config.home, { recursive: true })
    const logFile = join(config.home, 'demo.log')
    const output = openSync(logFile, 'w')
    shutdown.add(() => closeSync(output))
    screen.say(`Starting ${coreRoleNames.join(', ')} (their logs: ${logFile}) …`)

    const token = config.api.token ?? crypto.randomUUID()
    const ready = await superviseRoles({
      roles: coreRoleNames,
      environment: {
        ...onlyThisChain(config.chains.map(({ id }) => id)),
        DATABASE_URL: databaseUrl,
        RPC_URL_31337: chain.rpcUrl,
        WS_URL_31337: chain.wsUrl,
        // Chosen here and not by the API, so that it is the same after a restart.
        TOCSIN_API_PORT: `${await findFreePort()}`,
        TOCSIN_API_TOKEN: token,
        TOCSIN_LOG_FORMAT: 'json',
        // Its webhooks go to a receiver of this process. Whatever else is allowed or denied has no part in a demo.
        OUTBOUND_ALLOW: '127.0.0.0/8',
        OUTBOUND_DENY: undefined,
      },
      log: createLog({ level: options.json ? 'error' : 'warn', format: config.log.format }, 'demo'),
      shutdown,
      output,
    })
    const api = String(ready.api?.url)
    await createTriggers(api, token, demoTriggers(chainId, receiver.url))
    screen.say(
      `Ready: API at ${api} (token ${token}), Postgres ${embedded ? 'embedded' : 'as given'}, chain ${chainId} at ${chain.rpcUrl}`,
    )
    const environmentFile = join(config.home, 'demo.env')
    writeFileSync(environmentFile, `export TOCSIN_API_URL=${api}\nexport DEMO_HOOKS=${receiver.url}\n`)
    shutdown.add(() => rmSync(environmentFile, { force: true }))
    screen.say(
      `To try it yourself, follow the tour in README.md in another terminal. It begins with: source ${shortest(environmentFile)}`,
    )
    screen.say(
      'Agents register, clients give feedback, validators answer. Each line below is a webhook that arrived.\n',
    )

    const economy = createEconomy({ rpcUrl: chain.rpcUrl, chainId, registries, seed: options.seed })
    const economyStop = new AbortController()
    shutdown.add(() => economyStop.abort())
    const playing = economy.run({ signal: economyStop.signal, actionsPerSecond: options.rate })
    const stopPlaying = async () => {
      economyStop.abort()
      await playing
    }

    const counts = async () => (await countStages(db, [chainId]))[0] as StageCounts
    const watching = watch(
      counts,
      screen.showCounts,
      shutdown.signal,
      (count) => options.once === true && count.succeeded >= enoughDeliveries,
    )
    await Promise.race([watching, playing.then(() => watching)])
    if (shutdown.signal.aborted) return

    await stopPlaying()
    const final = await settle(counts, Number(await chain.call('eth_blockNumber')))
    const { events, matches, deliveries, results } = final
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10
    screen.close()
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ events, matches, deliveries, results, seconds })}\n`
        : `\n${events} events, ${matches} matches, ${deliveries} deliveries, ${results} results in ${seconds} s\n`,
    )
    if (final.open > 0 || final.failed > 0) process.exitCode = 1
  })
}

function shortest(path: string): string {
  const fromHere = relative('', path)
  return fromHere.startsWith('..') ? path : fromHere
}

/** Other chains of the user's configuration have no part in a demo. */
function onlyThisChain(chainIds: readonly number[]): Record<string, undefined> {
  return Object.fromEntries(
    chainIds.flatMap((id) =>
      [`RPC_URL_${id}`, `WS_URL_${id}`, `START_BLOCK_${id}`].map((name) => [name, undefined]),
    ),
  )
}

async function createTriggers(api: string, token: string, documents: readonly unknown[]): Promise<void> {
  for (const document of documents) {
    const response = await post(`${api}/v1/triggers`, token, document)
    if (!response.ok) throw new Error(`The API refused a trigger of the demo: ${await response.text()}`)
  }
}

/** Once more for a while when nobody answers: an API that was killed is on its way back. */
async function post(url: string, token: string, document: unknown): Promise<Response> {
  const deadline = performance.now() + settleMaxMs
  for (;;) {
    try {
      return await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(document),
      })
    } catch (error) {
      if (performance.now() > deadline) throw error
      await delay(100)
    }
  }
}

async function watch(
  counts: () => Promise<StageCounts>,
  show: (counts: StageCounts) => void,
  signal: AbortSignal,
  isEnough: (counts: StageCounts) => boolean,
): Promise<void> {
  while (!signal.aborted) {
    const now = await counts()
    show(now)
    if (isEnough(now)) return
    await delay(250, undefined, { signal }).catch(() => {})
  }
}

/** Waits until every log up to the head of the chain is indexed and matched and no delivery is open. */
async function settle(counts: () => Promise<StageCounts>, head: number): Promise<StageCounts> {
  const deadline = performance.now() + settleMaxMs
  for (;;) {
    const now = await counts()
    if ((now.matched_block ?? -1) >= head && now.open === 0) return now
    if (performance.now() > deadline) {
      throw new UserError(
        `The demo did not come to rest in ${settleMaxMs / 1000} s: head ${head}, indexed ${now.indexed_block}, matched ${now.matched_block}, ${now.open} deliveries open. Its logs are in demo.log.`,
      )
    }
    await delay(100)
  }
}
