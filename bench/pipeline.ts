import { readFileSync } from 'node:fs'
import { loadConfig } from '../src/config.ts'
import { type Database, openDatabase } from '../src/db.ts'
import { createScratchDatabase } from '../src/dev/scratch-database.ts'
import type { RegistryEvent } from '../src/event.ts'
import { openInstallation } from '../src/installation.ts'
import { applyMigrations } from '../src/migrate.ts'
import { createShutdown, type Shutdown } from '../src/shutdown.ts'
import { type RunningRole, startRole } from '../test/support/start-role.ts'
import { until } from '../test/support/until.ts'
import { mixEvents, mixTriggers } from './match-mix.ts'

const chainId = 8453
const events = 100_000
const eventsPerBlock = 10
const triggers = { timed: 10_000, weighed: 100_000 }
/** In one statement: what a list of JSON can comfortably be. */
const insertMax = 5_000

type Condition = {
  condition_type: string
  field: string | null
  operator: string | null
  value: unknown
  config: unknown
}

/**
 * From rows in `events` to deliveries committed: events a second with 10,000 triggers of which one in ten remembers something, at about
 * one match an event, by a matcher in a process of its own. Half of the matches are of triggers that remember; a tenth of the
 * events is not final, so that the journal is written. And the memory of a matcher with 100,000 triggers that has matched the same.
 */
export async function pipeline(): Promise<unknown> {
  const shutdown = createShutdown()
  try {
    return await measure(shutdown)
  } finally {
    await shutdown.run()
  }
}

async function measure(shutdown: Shutdown): Promise<unknown> {
  const { databaseUrl } = await openInstallation(loadConfig(), shutdown, console.error)
  const made = mixEvents(events).map(place)
  const timed = await run(databaseUrl, made, triggers.timed, shutdown)
  const weighed = await run(databaseUrl, made, triggers.weighed, shutdown)
  const { eventsPerSecond, matchesPerEvent } = timed
  return {
    eventsPerSecond,
    matchesPerEvent,
    rssMb: weighed.rssMb,
    eventsPerSecondAt100000: weighed.eventsPerSecond,
  }
}

async function run(
  databaseUrl: string,
  made: readonly RegistryEvent[],
  count: number,
  shutdown: Shutdown,
): Promise<{ eventsPerSecond: number; matchesPerEvent: number; rssMb: number }> {
  const { url } = await createScratchDatabase(databaseUrl, `tocsin_bench_${count}`, shutdown)
  await applyMigrations(url)
  const db = openDatabase(url, { name: 'bench' })
  shutdown.add(() => db.end())
  await insertTriggers(db, count, made)
  console.error(`${count} triggers`)

  // The first event shows that the matcher has read the triggers.
  await insertEvents(db, made.slice(0, 1), 0)
  const matcher = await startRole('matcher', { DATABASE_URL: url })
  shutdown.add(matcher.stop)
  await until('the matcher has begun', async () => (await matchedTo(db)) >= 0, 300_000)

  await insertEvents(db, made.slice(1), undefined)
  const lastBlock = made.at(-1)?.block_number ?? 0
  const began = performance.now()
  await moveCheckpoint(db, lastBlock, Math.floor(lastBlock * 0.9))
  await until('everything is matched', async () => (await matchedTo(db)) >= lastBlock, 600_000)
  const seconds = (performance.now() - began) / 1000

  const [stored] = await db<{ deliveries: number; matches: number }[]>`
    select (select count(*) from deliveries) as deliveries, (select count(*) from matches) as matches
  `
  const rssMb = rssOf(matcher)
  const matchesPerEvent = Number(((stored?.matches ?? 0) / events).toFixed(2))
  const eventsPerSecond = Math.round((events - 1) / seconds)
  console.error(`${eventsPerSecond} events/s, ${stored?.deliveries} deliveries, ${rssMb} MB`)
  await matcher.stop()
  return { eventsPerSecond, matchesPerEvent, rssMb }
}

function place(event: RegistryEvent, n: number): RegistryEvent {
  const block = Math.floor(n / eventsPerBlock)
  const hash = `0x${block.toString(16).padStart(64, '0')}`
  const transaction = `0x${n.toString(16).padStart(64, '0')}`
  return {
    ...event,
    block_number: block,
    log_index: n % eventsPerBlock,
    block_hash: hash,
    transaction_hash: transaction,
    occurrence: `${chainId}-${transaction}-0-0`,
    block_time: new Date(Date.UTC(2026, 0, 1) + block * 2000),
  }
}

async function insertEvents(
  db: Database,
  rows: readonly RegistryEvent[],
  lastBlock: number | undefined,
): Promise<void> {
  for (let from = 0; from < rows.length; from += insertMax) {
    const batch = rows
      .slice(from, from + insertMax)
      .map(({ seq: _, ...row }) => ({ ...row, topics: [], data: '0x' }))
    const columns = Object.keys(batch[0] ?? {}).join(', ')
    await db.unsafe(
      `insert into events (${columns}) select ${columns} from jsonb_populate_recordset(null::events, $1::jsonb)`,
      [batch as never],
    )
  }
  if (lastBlock !== undefined) await moveCheckpoint(db, lastBlock, lastBlock)
  else await db`analyze events`
}

async function moveCheckpoint(db: Database, lastBlock: number, finalizedBlock: number): Promise<void> {
  await db`
    insert into checkpoints (chain_id, last_block_number, finalized_block_number)
    values (${chainId}, ${lastBlock}, ${finalizedBlock})
    on conflict (chain_id) do update set
      last_block_number = excluded.last_block_number, finalized_block_number = excluded.finalized_block_number
  `
  await db`select pg_notify('new_event', ${String(chainId)})`
}

/** The triggers of `bench -- match`, one in ten with a memory; of the frequent ones, half. */
async function insertTriggers(db: Database, count: number, made: readonly RegistryEvent[]): Promise<void> {
  await db`insert into users (id, username) values ('bench', 'bench')`
  const rows = mixTriggers(count, made).map((trigger, index) => ({
    id: trigger.id,
    registry: trigger.registry,
    conditions: [...trigger.conditions.map(asStored), ...memoryOf(index, trigger.registry)],
  }))
  for (let from = 0; from < rows.length; from += insertMax) {
    const batch = rows.slice(from, from + insertMax)
    await db.begin(async (tx) => {
      // One revision for all, as one transaction would make anyhow.
      await tx`set local session_replication_role = replica`
      await tx`
        insert into triggers (id, user_id, name, chain_id, registry, active_since)
        select r.id, 'bench', r.id, ${chainId}, r.registry, to_timestamp(0)
        from jsonb_to_recordset(${tx.json(batch as never)}) as r (id text, registry text)
      `
      await tx`
        insert into trigger_conditions (trigger_id, position, condition_type, field, operator, value, config)
        select r.id, c.position - 1, c.condition ->> 'condition_type', c.condition ->> 'field', c.condition ->> 'operator',
          nullif(c.condition -> 'value', 'null'), c.condition -> 'config'
        from jsonb_to_recordset(${tx.json(batch as never)}) as r (id text, conditions jsonb)
        cross join lateral jsonb_array_elements(r.conditions) with ordinality as c (condition, position)
      `
    })
    await db`
      insert into trigger_actions (trigger_id, position, action_type, config)
      select r.id, 0, 'rest', '{"url": "http://127.0.0.1:9/", "method": "POST"}'
      from jsonb_to_recordset(${db.json(batch as never)}) as r (id text)
    `
  }
  await db`analyze`
}

function asStored({ condition_type, field, operator, value, config }: Condition): Condition {
  return { condition_type, field, operator, value, config }
}

/** A memory with which a trigger fires as often as without. */
function memoryOf(index: number, registry: string): Condition[] {
  const isFrequent = index < 10
  if (registry !== 'reputation' || index % (isFrequent ? 2 : 10) !== 0) return []
  const scope = ['agent']
  const kinds: Condition[] = [
    {
      condition_type: 'ema_threshold',
      field: 'score',
      operator: '>=',
      value: '0',
      config: { window_size: 10, scope, min_count: 1 },
    },
    {
      condition_type: 'rate_limit',
      field: null,
      operator: '>=',
      value: '1',
      config: { time_window: '1h', scope, reset_on_trigger: false },
    },
    {
      condition_type: 'distinct_count',
      field: 'client_address',
      operator: '>=',
      value: '1',
      config: { time_window: '1d', scope },
    },
  ]
  const kind = kinds[(index / (isFrequent ? 2 : 10)) % kinds.length]
  return kind === undefined ? [] : [kind]
}

async function matchedTo(db: Database): Promise<number> {
  const [cursor] = await db<{ block_number: number }[]>`select block_number from matcher_cursors`
  return cursor?.block_number ?? -1
}

/** The memory of a process, in MB. */
function rssOf({ child }: RunningRole): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}
