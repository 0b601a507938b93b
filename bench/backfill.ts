import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type PonderSettings, ponderSettings, startPonder } from '../indexer/ponder-child.ts'
import { createScrub } from '../indexer/scrub.ts'
import { knownChains } from '../src/chains.ts'
import { loadConfig } from '../src/config.ts'
import { type Database, openDatabase } from '../src/db.ts'
import { createScratchDatabase } from '../src/dev/scratch-database.ts'
import { openInstallation } from '../src/installation.ts'
import { createLog } from '../src/log.ts'
import { applyMigrations } from '../src/migrate.ts'
import { createShutdown, type Shutdown } from '../src/shutdown.ts'
import { startRole } from '../test/support/start-role.ts'
import { type ChainServer, startChainServer } from './chain-server.ts'

const events = 100_000
/** Ponder begins with 20 requests a second, one a block: with few events a block, it is that which would be measured. */
const eventsABlock = 500
const rounds = 5
const runMaxMs = 300_000
const schema = 'ponder_plain'

/**
 * Events a second of our backfill (the whole indexer role) and of a Ponder app with the same configuration, schema and handlers whose rows
 * become nothing else: in a database of its own, where `attach_ingest`, which the handlers call, does nothing. That app runs twice: as
 * `ponder start` starts it (`ponder`, `ratio`), and with the settings of Node and of Postgres sessions that ours has (`ponderSetAsOurs`,
 * `ratioSetAsOurs`: what is left is what the triggers cost). All read the same chain from the same endpoint into an empty database, in
 * turns; the clock runs from the first request for logs until the last row is there.
 */
export async function backfill(): Promise<unknown> {
  const shutdown = createShutdown()
  try {
    return await measure(shutdown)
  } finally {
    await shutdown.run()
  }
}

async function measure(shutdown: Shutdown): Promise<unknown> {
  const config = loadConfig()
  const { databaseUrl } = await openInstallation(config, shutdown, console.error)
  const chain = knownChains.find(({ id }) => id === 31337)
  if (chain === undefined) throw new Error('There is no local chain')
  const server = await startChainServer(chain, { events, eventsABlock })
  shutdown.add(server.close)
  // Chains that are configured here are not those of the bench.
  const others = config.chains.flatMap(({ id }) => [`RPC_URL_${id}`, `WS_URL_${id}`, `START_BLOCK_${id}`])
  const variables = {
    ...Object.fromEntries(others.map((name) => [name, ''])),
    [`RPC_URL_${chain.id}`]: server.rpcUrl,
    [`START_BLOCK_${chain.id}`]: '1',
  }

  const runs: { kind: Kind; start: Start; table: string }[] = [
    { kind: 'ours', start: startOurs, table: 'events' },
    { kind: 'ponder', start: startPlain(bare), table: `${schema}.registry_event` },
    { kind: 'ponderSetAsOurs', start: startPlain(ponderSettings), table: `${schema}.registry_event` },
  ]
  const speeds: Record<Kind, number[]> = { ours: [], ponder: [], ponderSetAsOurs: [] }
  for (let round = 0; round < rounds; round += 1) {
    for (const { kind, ...run } of runs) {
      speeds[kind].push(await runOnce(databaseUrl, server, { ...run, variables }))
    }
    const told = runs.map(({ kind }) => `${kind} ${speeds[kind].at(-1)?.toFixed(0)}/s`)
    console.error(`round ${round + 1} of ${rounds}: ${told.join(', ')}`)
    // Who goes first changes: the machine is not the same after a run as before it.
    runs.push(...runs.splice(0, 1))
  }
  const ratioTo = (kind: Kind) =>
    Math.round(median(speeds.ours.map((speed, round) => speed / (speeds[kind][round] ?? Number.NaN))) * 100) /
    100
  return {
    events,
    ours: Math.round(median(speeds.ours)),
    ponder: Math.round(median(speeds.ponder)),
    ratio: ratioTo('ponder'),
    ponderSetAsOurs: Math.round(median(speeds.ponderSetAsOurs)),
    ratioSetAsOurs: ratioTo('ponderSetAsOurs'),
  }
}

type Kind = 'ours' | 'ponder' | 'ponderSetAsOurs'

type Start = (databaseUrl: string, variables: Record<string, string>) => Promise<() => Promise<void>>

/** One backfill into a new database. Returns events a second. */
async function runOnce(
  serverUrl: string,
  server: ChainServer,
  { start, table, variables }: { start: Start; table: string; variables: Record<string, string> },
): Promise<number> {
  const shutdown = createShutdown()
  try {
    const { url } = await createScratchDatabase(serverUrl, 'tocsin_bench', shutdown)
    const stop = await start(url, variables)
    shutdown.add(stop)
    const db = openDatabase(url, { name: 'bench', connectionsMax: 1 })
    shutdown.add(() => db.end())
    await untilThere(db, table, server.lastEventId)
    const seconds = (performance.now() - server.takeFirstAskedAtMs()) / 1000
    const [row] = await db.unsafe<{ count: number }[]>(`select count(*) as count from ${table}`)
    if (row?.count !== events) throw new Error(`${row?.count} of ${events} events in ${table}`)
    return events / seconds
  } finally {
    await shutdown.run()
  }
}

/**
 * One row by its key, ten times a second: what is asked meanwhile must cost nothing, and to plan it for each partition of `events` anew would cost
 * 3 ms of the processor that Ponder needs. Rows are committed in the order of the chain.
 */
async function untilThere(db: Database, table: string, id: string): Promise<void> {
  const deadline = performance.now() + runMaxMs
  for (;;) {
    // Ponder makes its table itself.
    const found = await db
      .unsafe(`select from ${table} where id = $1`, [id], { prepare: true })
      .catch(() => [])
    if (found.length > 0) return
    if (performance.now() > deadline) throw new Error(`The last event was not in ${table} in time`)
    await delay(100)
  }
}

const startOurs: Start = async (databaseUrl, variables) => {
  await applyMigrations(databaseUrl)
  const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'))
  const role = await startRole('indexer', {
    ...variables,
    DATABASE_URL: databaseUrl,
    TOCSIN_HOME: home,
    TOCSIN_LOG_LEVEL: 'warn',
  })
  return async () => {
    await role.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

/** As `ponder start` does without being told more. */
const bare: PonderSettings = { nodeOptions: [], sessionOptions: '' }

function startPlain(settings: PonderSettings): Start {
  return async (databaseUrl, variables) => {
    const db = openDatabase(databaseUrl, { name: 'bench', connectionsMax: 1 })
    await db`create function attach_ingest(text) returns void language sql as 'select'`
    await db.end()
    const log = createLog({ level: 'warn', format: 'json' }, 'bench')
    const scrub = createScrub([databaseUrl])
    const child = await startPonder({ schema, databaseUrl, environment: variables, settings, scrub, log })
    return child.stop
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
