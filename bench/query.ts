import { knownChains } from '../src/chains.ts'
import { loadConfig } from '../src/config.ts'
import { type Database, openDatabase } from '../src/db.ts'
import { createScratchDatabase } from '../src/dev/scratch-database.ts'
import { openInstallation } from '../src/installation.ts'
import { applyMigrations } from '../src/migrate.ts'
import { createShutdown, type Shutdown } from '../src/shutdown.ts'
import { listAgents, readAgent } from '../src/store/agents-read.ts'
import { type EventFilter, listEvents } from '../src/store/events.ts'
import { readStats } from '../src/store/stats.ts'
import { benchAgents, fillEvents } from './fill-events.ts'
import { percentiles } from './percentiles.ts'

const events = 2_000_000
const samples = 60
const limit = 50
const pages = 1000

/**
 * The documented reads on two million events of five chains, each with other values every time, one at a time: the 95th percentile
 * in ms of each. And what page 1,000 costs beside page 1, as the ratio of their medians, read in turns.
 */
export async function query(): Promise<unknown> {
  const shutdown = createShutdown()
  try {
    return await measure(shutdown)
  } finally {
    await shutdown.run()
  }
}

async function measure(shutdown: Shutdown): Promise<unknown> {
  const { databaseUrl } = await openInstallation(loadConfig(), shutdown, console.error)
  const { url } = await createScratchDatabase(databaseUrl, 'tocsin_bench', shutdown)
  await applyMigrations(url)
  const db = openDatabase(url, { name: 'bench' })
  shutdown.add(() => db.end())
  await fillEvents(db, events)
  return { events, ...(await measureQueries(db)) }
}

/** Measures in a database that is filled. */
export async function measureQueries(
  db: Database,
): Promise<{ p95Ms: Record<string, number>; page1000OverPage1: number }> {
  const p95Ms: Record<string, number> = {}
  for (const [name, read] of Object.entries(reads)) {
    const durationsMs: number[] = []
    // The first few warm up the connection and what all of them need.
    for (let sample = -5; sample < samples; sample += 1) {
      const began = performance.now()
      await read(db, sample + 5)
      if (sample >= 0) durationsMs.push(performance.now() - began)
    }
    p95Ms[name] = percentiles(durationsMs).p95
    console.error(`${name}: ${p95Ms[name]} ms`)
  }
  const walks: [string, EventFilter][] = [
    ['all', {}],
    ['one chain', { chain_id: 8453 }],
    ['a tag', { tag: 'starred' }],
  ]
  let worst = 0
  for (const [name, filter] of walks) {
    const ratio = await comparePages(db, filter)
    console.error(`page ${pages} over page 1, ${name}: ${ratio.toFixed(2)}`)
    worst = Math.max(worst, ratio)
  }
  return { p95Ms, page1000OverPage1: Math.round(worst * 100) / 100 }
}

const list = (db: Database, filter: EventFilter) => listEvents(db, filter, { after: undefined, limit })
const hex = (number: number, fill: string) => `0x${number.toString(16).padStart(40, fill)}`
/** Spread over a range, the same in each run; low numbers more often, as fill-events has it. */
const pick = (sample: number, range: number) => Math.floor(range * ((sample * 0.618) % 1) ** 3)
const day = (sample: number) => new Date(Date.parse('2025-12-01T00:00:00Z') + (sample % 300) * 86_400_000)
const base = knownChains.filter(({ id }) => id === 8453)

const reads: Record<string, (db: Database, sample: number) => Promise<unknown>> = {
  all: (db) => list(db, {}),
  allWithRetracted: (db) => list(db, { status: 'all' }),
  chain: (db, n) => list(db, { chain_id: [8453, 56, 1, 84532, 137][n % 5] }),
  registry: (db, n) => list(db, { registry: (['identity', 'reputation', 'validation'] as const)[n % 3] }),
  eventType: (db, n) => list(db, { event_type: (['Transfer', 'NewFeedback', 'URIUpdated'] as const)[n % 3] }),
  agent: (db, n) => list(db, { chain_id: 8453, agent_id: String(pick(n, benchAgents)) }),
  client: (db, n) => list(db, { client_address: hex(pick(n, 200_000), 'c') }),
  validator: (db, n) => list(db, { validator_address: hex(pick(n, 400), 'd') }),
  tag: (db, n) => list(db, { tag: ['starred', 'uptime', `tag-${pick(n, 2000)}`][n % 3] }),
  tag2: (db, n) => list(db, { tag2: ['week', 'none'][n % 2] }),
  scoreRange: (db, n) => list(db, { score_min: String(n + 40), score_max: String(n + 45) }),
  timeRange: (db, n) => list(db, { since: day(n), until: day(n + 1) }),
  blockRange: (db, n) =>
    list(db, { chain_id: 8453, from_block: 20_100_000 + n * 100_000, to_block: 20_110_000 + n * 100_000 }),
  agentScoreBelow: (db, n) =>
    list(db, { chain_id: 8453, agent_id: String(pick(n, benchAgents)), tag: 'starred', score_max: '20' }),
  agentSummary: (db, n) => readOne(db, pick(n, benchAgents), undefined),
  agentSummaryAtBlock: (db, n) => readOne(db, pick(n, benchAgents), 25_000_000),
  largestAgentSummary: (db) => readOne(db, 0, undefined),
  agentsOfOwner: (db, n) =>
    listAgents(db, knownChains, hex(pick(n, benchAgents / 3), 'a'), { after: undefined, limit }),
  statsOfDay: (db, n) => readStats(db, { chain_id: undefined, since: day(n), until: day(n + 1) }),
}

async function readOne(db: Database, agent: number, block: number | undefined): Promise<void> {
  for (const chain of base) await readAgent(db, chain, String(agent), block)
}

/** The median cost of page 1,000 over that of page 1. */
async function comparePages(db: Database, filter: EventFilter): Promise<number> {
  let after: readonly string[] | undefined
  for (let page = 1; page < pages; page += 1) {
    const { next } = await listEvents(db, filter, { after, limit })
    if (next === undefined) throw new Error(`There are only ${page} pages`)
    after = next
  }
  const firstMs: number[] = []
  const lastMs: number[] = []
  for (let turn = 0; turn < samples; turn += 1) {
    for (const [place, durationsMs] of [
      [undefined, firstMs],
      [after, lastMs],
    ] as const) {
      const began = performance.now()
      await listEvents(db, filter, { after: place, limit })
      durationsMs.push(performance.now() - began)
    }
  }
  return percentiles(lastMs).p50 / percentiles(firstMs).p50
}
