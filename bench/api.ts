import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { loadConfig } from '../src/config.ts'
import { type Database, openDatabase } from '../src/db.ts'
import { createScratchDatabase } from '../src/dev/scratch-database.ts'
import { openInstallation } from '../src/installation.ts'
import { applyMigrations } from '../src/migrate.ts'
import { keyScopes } from '../src/scopes.ts'
import { createShutdown, type Shutdown } from '../src/shutdown.ts'
import { createUser } from '../src/store/accounts.ts'
import { createKey } from '../src/store/api-keys.ts'
import { startRole } from '../test/support/start-role.ts'

const connections = 32
const triggers = 1000
const rounds = 7
const roundMs = 3000

type Ask = (number: number) => { method: 'GET' | 'POST' | 'PUT'; path: string; body?: string }
type Round = { perSecond: number; p99Ms: number }

/**
 * Reads of a trigger with an API key, and writes of triggers (every other one new, every other one changed), a second and at the 99th
 * percentile, over HTTP with 32 connections, by an API in a process of its own; next to a bare Hono route with one query. In
 * turns on the same machine, the median of the rounds.
 */
export async function api(): Promise<unknown> {
  const shutdown = createShutdown()
  try {
    return await measure(shutdown)
  } finally {
    await shutdown.run()
  }
}

async function measure(shutdown: Shutdown): Promise<unknown> {
  const { databaseUrl } = await openInstallation(loadConfig(), shutdown, console.error)
  const { url } = await createScratchDatabase(databaseUrl, 'tocsin_bench_api', shutdown)
  await applyMigrations(url)
  const db = openDatabase(url, { name: 'bench' })
  shutdown.add(() => db.end())

  const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-api-'))
  shutdown.add(() => rmSync(home, { recursive: true, force: true }))
  const role = await startRole('api', {
    DATABASE_URL: url,
    TOCSIN_HOME: home,
    TOCSIN_API_PORT: '0',
    TOCSIN_LOG_LEVEL: 'warn',
    TOCSIN_TRIGGERS_MAX: '0',
    // Counted, and never reached.
    TOCSIN_RATE_LIMIT: '9999999/1m',
  })
  shutdown.add(role.stop)
  const userId = await createUser(db, { username: 'bench', passwordHash: null })
  const key = await createKey(db, userId ?? '', { name: 'bench', scopes: keyScopes, expiresAt: null })
  const ours = open(String(role.detail.url), shutdown, { authorization: `Bearer ${key?.key ?? ''}` })
  const ids = await fill(ours)
  const bare = open(await startBare(db, url, ids, ours, shutdown), shutdown)

  const at = <Item>(items: readonly Item[], number: number) => items[number % items.length]
  const kinds: Record<string, [send: Send, ask: Ask]> = {
    bare: [bare, (number) => ({ method: 'GET', path: `/rows/${at(ids, number)}` })],
    reads: [ours, (number) => ({ method: 'GET', path: `/v1/triggers/${at(ids, number)}` })],
    writes: [
      ours,
      (number) =>
        number % 2 === 0
          ? { method: 'POST', path: '/v1/triggers', body: document(number) }
          : { method: 'PUT', path: `/v1/triggers/${at(ids, number)}`, body: document(number) },
    ],
  }
  const measured: Record<string, Round[]> = { bare: [], reads: [], writes: [] }
  // The first round warms up what all of them need.
  for (let round = -1; round < rounds; round += 1) {
    for (const [name, [send, ask]] of Object.entries(kinds)) {
      const found = await load(send, ask)
      console.error(`${name}: ${found.perSecond}/s, p99 ${found.p99Ms} ms${round < 0 ? ' (warming up)' : ''}`)
      if (round >= 0) measured[name]?.push(found)
    }
    // What was made would make the next round slower than this one.
    await db`delete from triggers where id <> all(${ids})`
  }
  const median = (name: string, of: keyof Round) => {
    const sorted = (measured[name] ?? []).map((round) => round[of]).toSorted((a, b) => a - b)
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  }
  const both = (name: string) => ({ perSecond: median(name, 'perSecond'), p99Ms: median(name, 'p99Ms') })
  const barePerSecond = median('bare', 'perSecond')
  const ratio = Math.round((median('reads', 'perSecond') / barePerSecond) * 100) / 100
  return {
    reads: { ...both('reads'), ratio },
    writes: both('writes'),
    barePerSecond,
    bareP99Ms: median('bare', 'p99Ms'),
  }
}

type Send = (request: ReturnType<Ask>) => Promise<string>

function open(url: string, shutdown: Shutdown, headers: Record<string, string> = {}): Send {
  const pool = new Pool(url, { connections, pipelining: 1 })
  shutdown.add(() => pool.close())
  return async ({ method, path, body }) => {
    const sent = body === undefined ? headers : { ...headers, 'content-type': 'application/json' }
    const response = await pool.request({ method, path, headers: sent, body: body ?? null })
    const text = await response.body.text()
    if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`)
    return text
  }
}

/** As many requests under way as there are connections, for the time of a round. */
async function load(send: Send, ask: Ask): Promise<Round> {
  const durationsMs: number[] = []
  let number = 0
  const began = performance.now()
  const loop = async () => {
    while (performance.now() - began < roundMs) {
      const at = performance.now()
      number += 1
      await send(ask(number))
      durationsMs.push(performance.now() - at)
    }
  }
  await Promise.all(Array.from({ length: connections }, loop))
  const tookMs = performance.now() - began
  const sorted = durationsMs.toSorted((a, b) => a - b)
  return {
    perSecond: Math.round(durationsMs.length / (tookMs / 1000)),
    p99Ms: Math.round((sorted[Math.ceil(0.99 * sorted.length) - 1] ?? Number.NaN) * 10) / 10,
  }
}

async function fill(send: Send): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < triggers) {
    const made = await send({ method: 'POST', path: '/v1/triggers', body: document(ids.length) })
    ids.push((JSON.parse(made) as { id: string }).id)
  }
  return ids
}

function document(number: number): string {
  return JSON.stringify({
    name: `Trigger ${number}`,
    chain_id: 8453,
    registry: 'reputation',
    // Nobody listens for events here.
    conditions: [
      { condition_type: 'agent_id_equals', value: number },
      { condition_type: 'score_threshold', operator: '<', value: 70 },
    ],
    actions: [
      {
        action_type: 'rest',
        config: {
          url: 'https://hooks.example.com/alerts',
          body_template: { text: 'Agent {{ event.agent_id }} got {{ event.score }}' },
        },
      },
    ],
  })
}

/** With a row for each trigger that is what the API answers with, so that the answers are of one size. */
async function startBare(
  db: Database,
  databaseUrl: string,
  ids: readonly string[],
  ours: Send,
  shutdown: Shutdown,
): Promise<string> {
  await db`create table bench_rows (id text primary key, body jsonb not null)`
  for (const id of ids) {
    const text = await ours({ method: 'GET', path: `/v1/triggers/${id}` })
    await db`insert into bench_rows values (${id}, ${text}::text::jsonb)`
  }
  await db`analyze`
  const child = fork(fileURLToPath(new URL('bare-server.ts', import.meta.url)), [databaseUrl], {
    execArgv: ['--import', 'tsx'],
  })
  shutdown.add(() => void child.disconnect())
  const [url] = (await once(child, 'message')) as [string]
  return url
}
