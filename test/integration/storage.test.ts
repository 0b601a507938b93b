import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { createRandom } from '../../src/dev/random.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { maintainOnce, runMaintenance } from '../../src/maintenance.ts'
import { applyMigrations, dumpSchema, rollbackMigrations } from '../../src/migrate.ts'
import { createShutdown } from '../../src/shutdown.ts'
import { cleanupActionResults, takeTurn } from '../../src/store/maintenance.ts'
import { readStorage } from '../../src/store/schema.ts'
import { compressChunks } from '../support/compress-chunks.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { makeDeliveries } from '../support/make-deliveries.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const migrations = fileURLToPath(new URL('../../migrations', import.meta.url))
const keepAll = { eventDays: undefined, resultDays: 90 }
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database
let hypertable: boolean

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test', connectionsMax: 4 })
  hypertable = (await readStorage(db))[0]?.storage === 'hypertable'
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

async function empty(): Promise<void> {
  await db`truncate events, event_status, action_results, deliveries, matches, action_metrics_hourly, action_metrics_dirty cascade`
  await refresh()
}

/** Brings events_hourly up to date: by our own maintenance, or as the policy of the continuous aggregate would. */
async function refresh(): Promise<void> {
  await maintainOnce(db, keepAll)
  if (hypertable)
    await db.unsafe(
      "call refresh_continuous_aggregate('events_hourly_all', null, date_trunc('hour', now()))",
      [],
      {
        prepare: true,
      },
    )
}

/** Runs what TimescaleDB has planned for `events` and its hours, now. Returns how many jobs that were. */
async function runPolicies(procedure: string): Promise<number> {
  if (!hypertable) return 0
  const jobs =
    await db`select job_id from timescaledb_information.jobs where proc_name = ${procedure} and job_id >= 1000`
  // A procedure that commits cannot be called with bound parameters in a transaction of the driver.
  for (const { job_id } of jobs) await db.unsafe(`call run_job(${job_id})`, [], { prepare: true })
  return jobs.length
}

const readHours = () => db`
  select hour, chain_id, registry, event_type, event_count from events_hourly order by hour, chain_id, registry, event_type
`
const countHours = () => db`
  select date_trunc('hour', e.block_time, 'UTC') as hour, e.chain_id, e.registry, e.event_type, count(*) as event_count
  from events e
  where coalesce((select s.status from event_status s where s.event_id = e.id order by s.id desc limit 1), '') <> 'retracted'
  group by 1, 2, 3, 4
  order by 1, 2, 3, 4
`

let nextBlock = 1
function eventAt(time: Date, fields: Partial<RegistryEvent> = {}): RegistryEvent {
  const number = nextBlock++
  return sampleEvent('NewFeedback', {
    id: `31337-${number}-0-0000000000000000`,
    occurrence: `occurrence ${number}`,
    block_number: number,
    block_time: time,
    ...fields,
  })
}
const insert = (events: readonly RegistryEvent[]) =>
  insertEvents(db, events, { chainId: 31337, lastBlock: 1_000_000 })
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)

describe('events_hourly', () => {
  beforeEach(empty)

  it.each([1, 2, 3])(
    'is the canonical events by hour, after random inserts, retractions and reinstatements (seed %i)',
    async (seed) => {
      const random = createRandom(seed)
      const below = (count: number) => random.integer(0, count - 1)
      const types = ['NewFeedback', 'Registered', 'ValidationResponse'] as const
      const known: RegistryEvent[] = []
      for (let step = 0; step < 60; step++) {
        const choice = below(10)
        if (choice < 5 || known.length === 0) {
          const batch = Array.from({ length: 1 + below(6) }, () => {
            const type = random.pick(types)
            const number = nextBlock++
            return sampleEvent(type, {
              id: `${seed}-${number}-0-0000000000000000`,
              occurrence: `${seed} ${number}`,
              chain_id: below(2) === 0 ? 31337 : 1,
              block_number: number,
              block_time: new Date(Date.now() - below(200) * 1_800_000),
            })
          })
          known.push(...batch)
          // Some of them a second time, as after a restart of Ponder.
          await insert([...batch, ...known.slice(0, below(3))])
        } else if (choice < 9) {
          await setEventStatus(db, random.pick(known), below(3) < 2 ? 'retracted' : 'reinstated')
        } else {
          await refresh()
        }
      }
      if (hypertable) await refresh()
      const expected = await countHours()
      expect(expected.length).toBeGreaterThan(10)
      expect(await readHours()).toEqual(expected)
      await refresh()
      expect(await readHours()).toEqual(expected)
      const [{ hidden } = {}] = await db`
        select (select count(*) from events) - (select count(*) from events_canonical) as hidden`
      expect(hidden).toBeGreaterThan(0)
    },
  )

  it('counts each event once while writers and the maintenance run at the same time', async () => {
    const writers = Array.from({ length: 3 }, async () => {
      for (let batch = 0; batch < 15; batch++) {
        await insert(Array.from({ length: 4 }, () => eventAt(daysAgo(1 + (batch % 3)))))
      }
    })
    let writing = true
    const maintaining = (async () => {
      while (writing) await maintainOnce(db, keepAll)
    })()
    await Promise.all(writers)
    writing = false
    await maintaining
    if (hypertable) await refresh()
    expect(await readHours()).toEqual(await countHours())
    expect((await db`select sum(event_count)::integer as total from events_hourly`)[0]?.total).toBe(180)
  })

  it('keeps one row for each hour, chain, registry and type once it is folded', async () => {
    for (let number = 0; number < 5; number++) await insert([eventAt(new Date('2026-03-01T10:20:00Z'))])
    await refresh()
    const rows = await db`select event_count, folded from event_counts`
    expect(rows).toEqual(hypertable ? [] : [{ event_count: 5, folded: true }])
    expect(await readHours()).toMatchObject([{ hour: new Date('2026-03-01T10:00:00Z'), event_count: 5 }])
  })
})

describe('events_canonical', () => {
  beforeEach(empty)

  it('has the columns of events', async () => {
    const columns = (table: string) => db`
      select column_name, data_type, ordinal_position from information_schema.columns
      where table_schema = 'public' and table_name = ${table} order by ordinal_position`
    expect(await columns('events_canonical')).toEqual(await columns('events'))
  })

  it('follows the newest status, whichever transaction commits last', async () => {
    const event = eventAt(daysAgo(2))
    await insert([event])
    const { id, chain_id, block_number, block_time } = event
    const seen = async () => (await db`select from events_canonical where id = ${id}`).length === 1
    await setEventStatus(db, event, 'retracted')
    expect(await seen()).toBe(false)
    // The older of two rows arrives after the newer one, as when its transaction was the slower.
    await db`
      insert into event_status (id, event_id, chain_id, block_number, block_time, status, reason) overriding system value values
        (1000001, ${id}, ${chain_id}, ${block_number}, ${block_time}, 'reinstated', 'test')`
    await db`
      insert into event_status (id, event_id, chain_id, block_number, block_time, status, reason) overriding system value values
        (1000000, ${id}, ${chain_id}, ${block_number}, ${block_time}, 'retracted', 'test')`
    expect(await seen()).toBe(true)
  })
})

describe('native partitions', () => {
  beforeEach(empty)

  it('take rows over from events_default when they are made, and an insert never fails', async () => {
    const early = eventAt(new Date('2031-05-03T12:00:00Z'))
    const other = eventAt(new Date('2031-06-01T00:00:00Z'))
    await insert([early, other])
    const before = await db`select * from events order by id`
    const hours = await readHours()
    if (!hypertable) {
      const [made] =
        await db`select ensure_events_partitions('2031-05-20T00:00:00Z', '2031-05-01T00:00:00Z') as made`
      expect(made?.made).toBe(1)
      expect(await db`select id from events_2031_05`).toEqual([{ id: early.id }])
      expect(await db`select id from events_default`).toEqual([{ id: other.id }])
      // Written again, it conflicts: the key holds across the move.
      await insert([early])
    }
    expect(await db`select * from events order by id`).toEqual(before)
    expect(await readHours()).toEqual(hours)
    if (!hypertable) await db`drop table events_2031_05`
  })

  it('are three months ahead after maintenance', async () => {
    await db.unsafe(
      hypertable
        ? 'select 1'
        : `drop table events_${new Date(Date.now() + 62 * 86_400_000).toISOString().slice(0, 7).replace('-', '_')}`,
    )
    await maintainOnce(db, keepAll)
    await insert([eventAt(new Date(Date.now() + 62 * 86_400_000))])
    const [inDefault] = hypertable ? [{ count: 0 }] : await db`select count(*) as count from events_default`
    expect(inDefault?.count).toBe(0)
  })
})

describe('retention of events', () => {
  beforeEach(empty)

  it('drops what is older by whole months or chunks with its hours, keeps the rest, and is off unless it is set', async () => {
    const old = eventAt(daysAgo(100))
    const ancient = eventAt(new Date('2020-01-01T00:00:00Z'))
    const kept = [eventAt(daysAgo(39)), eventAt(daysAgo(1))]
    await insert([old, ancient, ...kept])
    await maintainOnce(db, keepAll)
    expect((await db`select id from events`).length).toBe(4)

    await maintainOnce(db, { eventDays: 40, resultDays: 90 })
    await runPolicies('policy_retention')
    const ids = (rows: readonly { id: string }[]) => rows.map(({ id }) => id).sort()
    expect(ids(await db<{ id: string }[]>`select id from events`)).toEqual(ids(kept))
    if (hypertable) await refresh()
    expect(await readHours()).toEqual(await countHours())
    if (hypertable) {
      await maintainOnce(db, keepAll)
      expect(await runPolicies('policy_retention'), 'the policy is gone').toBe(0)
      return
    }
    // What was dropped is not made again, until it is to be kept again.
    const partitions = async () =>
      (
        await db`select from pg_inherits where inhparent = 'events'::regclass and inhrelid::regclass::text < 'events_2026_06'`
      ).length
    const before = await partitions()
    await maintainOnce(db, { eventDays: 40, resultDays: 90 })
    expect(await partitions()).toBe(before)
    await maintainOnce(db, keepAll)
    expect(await partitions()).toBeGreaterThan(before)
  })
})

describe('action results', () => {
  const insertResults = async (count: number, daysOld: number) => {
    await makeDeliveries(db, count, { dueAt: 'tomorrow' })
    await db`
      insert into action_results (delivery_id, job_id, event_id, action_type, status, executed_at, duration_ms, retry_count)
      select d.id, 'job', d.event_id, (array['rest', 'telegram', 'mcp'])[1 + n % 3], (array['success', 'failed', 'retrying'])[1 + n % 3 % 2 + n % 2],
        now() - ${daysOld}::integer * interval '1 day' - n * interval '7 minutes', (n * 37) % 1000, 0
      from (select *, row_number() over ()::integer as n from deliveries d
            where not exists (select from action_results r where r.delivery_id = d.id)) d
    `
  }
  const readMetrics = () => db`select * from action_metrics_hourly order by hour, action_type`
  const computeMetrics = () => db`
    select date_trunc('hour', executed_at, 'UTC') as hour, action_type, count(*) as total_executions,
      count(*) filter (where status = 'success') as success_count, count(*) filter (where status = 'failed') as failure_count,
      avg(duration_ms) as avg_duration_ms, percentile_cont(0.95) within group (order by duration_ms) as p95_duration_ms
    from action_results group by 1, 2 order by 1, 2`

  beforeEach(async () => {
    await empty()
    await insert([eventAt(daysAgo(1))])
    await insertTrigger(db)
  })

  it('are summed up by hour and type; what comes late or changes is counted at the next turn', async () => {
    await insertResults(200, 0)
    await maintainOnce(db, keepAll)
    expect(await readMetrics()).toEqual(await computeMetrics())
    await insertResults(30, 3)
    await db`update action_results set status = 'failed', duration_ms = 5000 where status = 'retrying'`
    await db`update action_results set executed_at = executed_at - interval '50 days' where duration_ms < 100`
    await maintainOnce(db, keepAll)
    const metrics = await readMetrics()
    expect(metrics.length).toBeGreaterThan(20)
    expect(metrics).toEqual(await computeMetrics())
  })

  it('older than the setting are deleted in batches, but none of a delivery that has not ended; the metrics stay', async () => {
    await insertResults(40, 91)
    await insertResults(10, 89)
    await db`update deliveries set state = 'succeeded', finished_at = now()`
    await db`
      update deliveries set state = 'pending', finished_at = null
      where id in (select delivery_id from action_results where executed_at < now() - interval '90 days' order by id limit 5)`
    await maintainOnce(db, { eventDays: undefined, resultDays: 365 })
    const metrics = await readMetrics()
    expect((await db`select from action_results`).length).toBe(50)

    expect(await cleanupActionResults(db, [90, 20])).toEqual([{ deleted: 20 }])
    expect(await cleanupActionResults(db, [90, 20])).toEqual([{ deleted: 15 }])
    expect(await cleanupActionResults(db, [90, 20])).toEqual([{ deleted: 0 }])
    const [left] = await db`
      select count(*) as results, count(*) filter (where executed_at < now() - interval '90 days') as old from action_results`
    expect(left).toEqual({ results: 15, old: 5 })

    // The deletion of a trigger changes old results, too: their hours must not be computed from what is left of them.
    await db`delete from triggers`
    await maintainOnce(db, keepAll)
    expect(await readMetrics()).toEqual(metrics)
  })
})

describe('policies of TimescaleDB', () => {
  beforeEach(empty)

  it('compress what is older than a month and refresh the hours, and readers see the same; elsewhere there are none', async () => {
    const events = [eventAt(daysAgo(60)), eventAt(daysAgo(45)), eventAt(daysAgo(2))]
    await insert(events)
    const before = await db`select * from events order by seq`
    const expected = hypertable ? 1 : 0
    expect(await runPolicies('policy_compression')).toBe(expected)
    expect(await runPolicies('policy_refresh_continuous_aggregate')).toBe(expected)
    expect(await db`select * from events order by seq`).toEqual(before)
    expect(await readHours()).toEqual(await countHours())
    if (!hypertable) return
    const chunks = await db`
      select is_compressed from timescaledb_information.chunks where hypertable_name = 'events' order by range_start`
    expect(chunks.map((chunk) => chunk.is_compressed)).toEqual([true, true, false])
  })
})

describe('maintenance', () => {
  beforeEach(empty)

  it('leaves everything alone while another process has the turn', async () => {
    await insert([eventAt(daysAgo(1))])
    await db`insert into action_metrics_dirty values (now())`
    const dirty = async () => (await db`select from action_metrics_dirty`).length
    await db.begin(async (tx) => {
      expect((await takeTurn(tx))[0]?.mine).toBe(true)
      await maintainOnce(db, keepAll)
      expect(await dirty()).toBe(1)
    })
    await maintainOnce(db, keepAll)
    expect(await dirty()).toBe(0)
  })

  it('runs by itself from the start, and ends with its process', async () => {
    await db`insert into action_metrics_dirty values (now())`
    const shutdown = createShutdown()
    runMaintenance({ db, log: silent, shutdown, retention: keepAll })
    await until('the hour is computed', async () => (await db`select from action_metrics_dirty`).length === 0)
    await shutdown.run()
  })
})

type PlanNode = {
  'Node Type': string
  'Index Name'?: string
  'Relation Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  Plans?: PlanNode[]
}

/** How many events a plan that was run has read; a batch of a compressed chunk counts as the thousand that it can hold. */
function countRead(node: PlanNode): number {
  const relation = node['Relation Name'] ?? ''
  const { 'Actual Rows': rows = 0, 'Actual Loops': loops = 0, 'Rows Removed by Filter': removed = 0 } = node
  const below = (node.Plans ?? []).reduce((sum, child) => sum + countRead(child), 0)
  // Batches that were left out are known by their bounds.
  if (relation.startsWith('compress_hyper_')) return rows * loops * 1000
  const isScan = (node.Plans ?? []).length === 0 && /^(events|_hyper)_/.test(relation)
  return below + (isScan ? (rows + removed) * loops : 0)
}

describe('documented queries', () => {
  // Near the end of a month and of a chunk's week (Wednesday), so that the newest partition or chunk is never a small one.
  const newest = "timestamptz '2026-04-29 12:00:00+00'"

  beforeAll(async () => {
    await db`truncate events, event_status cascade`
    // Two chains, 5,000 agents, 200 clients, three months: enough that a wrong index costs.
    await db.unsafe(`
      insert into events (id, chain_id, block_number, block_hash, block_time, transaction_hash, transaction_index, log_index,
        contract_address, registry, event_type, occurrence, agent_id, token_uri, client_address, validator_address, score, args, topics, data)
      select format('%s-%s-0-%s', n % 2, n, md5(n::text)), n % 2, n, md5(n::text), ${newest} - (60000 - n) * interval '2 minutes', md5('t' || n), 0, 0,
        '0xregistry', case when n % 10 = 0 then 'identity' when n % 10 = 1 then 'validation' else 'reputation' end,
        case when n % 10 = 0 then 'Registered' when n % 10 = 1 then 'ValidationResponse' else 'NewFeedback' end,
        n, n % 5000, case when n % 10 = 0 then 'https://a.example/' || n end, case when n % 10 > 1 then '0xc' || n % 200 end,
        case when n % 10 = 1 then '0xv' || n % 50 end, n % 100, '{}', '{}', '0x'
      from generate_series(1, 60000) n`)
    await db.unsafe(`
      insert into event_status (event_id, chain_id, block_number, block_time, status, reason)
      select id, chain_id, block_number, block_time, 'retracted', 'test' from events where block_number % 97 = 0`)
    await db`analyze`
  })

  /**
   * The columns of the indexes of events that the plan reads; "all" for a whole scan. Of partitions or chunks with many rows only: in a
   * small one it does not matter how it is read.
   */
  async function plan(query: string): Promise<string[]> {
    const [row] = await db.unsafe(`explain (format json) ${query}`)
    const names: string[] = []
    const visit = (node: PlanNode) => {
      if (node['Index Name'] !== undefined) names.push(node['Index Name'])
      if (node['Node Type'] === 'Seq Scan' && node['Relation Name'] !== undefined)
        names.push(node['Relation Name'])
      for (const child of node.Plans ?? []) visit(child)
    }
    for (const { Plan } of (row?.['QUERY PLAN'] ?? []) as { Plan: PlanNode }[]) visit(Plan)
    const read = await db<{ columns: string }[]>`
      select distinct coalesce(substring(pg_get_indexdef(i.indexrelid) from 'USING btree (.*)'), 'all') as columns
      from pg_class c
      left join pg_index i on i.indexrelid = c.oid
      join pg_class t on t.oid = coalesce(i.indrelid, c.oid)
      where c.relname = any (${names}::text[]) and t.reltuples > 4000 and t.relname ~ '^(events|_hyper)_'`
    return read.map(({ columns }) => columns)
  }

  it.each([
    [
      'what an agent got, on the canonical chain',
      `select * from events_canonical where chain_id = 0 and agent_id = 42 order by block_number, log_index`,
      /^\(chain_id, agent_id/,
    ],
    [
      'the URI of an agent',
      `select token_uri from events_canonical where chain_id = 0 and agent_id = 40 and registry = 'identity'
         and event_type in ('Registered', 'URIUpdated') and contract_address = '0xregistry'
       order by block_number desc, log_index desc limit 1`,
      /^\(chain_id, agent_id, block_number DESC, log_index DESC\) WHERE/,
    ],
    [
      'what happened in a chain since some time',
      `select * from events_canonical where chain_id = 0 and block_time > ${newest} - interval '2 hours' order by block_time desc limit 50`,
      /^\(chain_id, block_time, score\)/,
    ],
    [
      'the next canonical events of a chain',
      `select * from events_canonical where chain_id = 0 and (block_number, log_index) > (30000, 0) and block_number <= 60000
       order by block_number, log_index limit 1000`,
      /^\(chain_id, block_number, log_index\)/,
    ],
    [
      'what a client gave',
      `select * from events_canonical where chain_id = 0 and client_address = '0xc42' limit 50`,
      /^\(chain_id, client_address/,
    ],
    [
      'what a validator answered',
      `select * from events_canonical where chain_id = 1 and validator_address = '0xv1' limit 50`,
      /^\(chain_id, validator_address/,
    ],
    [
      'the events of a transaction',
      `select * from events where transaction_hash = md5('t4711')`,
      /^\(transaction_hash\)/,
    ],
  ])('are read along their index: %s', async (_, query, index) => {
    const used = await plan(query)
    expect(used).not.toEqual([])
    for (const columns of used) expect(columns).toMatch(index)
  })

  it('read only the hours that they ask for', async () => {
    const [row] = await db.unsafe(`
      explain (analyze, format json) select * from events_hourly where hour >= date_trunc('hour', now()) - interval '3 hours'`)
    const text = JSON.stringify(row?.['QUERY PLAN'])
    // Both parts see the filter; of retracted events only those of the hours are counted.
    expect(text.match(/date_trunc\('hour'::text, now\(\)\)/g)?.length).toBeGreaterThanOrEqual(2)
  })
})

describe('what is asked again and again', () => {
  const block = 59_990
  let seq = 0
  const ago = '2026-02-10T00:00:00Z'

  beforeAll(async () => {
    await db`truncate events, event_status, checkpoints, matcher_cursors cascade`
    await db`
      insert into events (id, chain_id, block_number, block_hash, block_time, transaction_hash, transaction_index, log_index,
        contract_address, registry, event_type, occurrence, args, topics, data)
      select n::text, 1, n, md5(n::text), timestamptz '2026-04-29 12:00:00+00' - (60000 - n) * interval '2 minutes', md5('t' || n), 0, 0,
        '0xregistry', 'reputation', 'NewFeedback', n, '{}', '{}', '0x'
      from generate_series(1, 60000) n`
    const [newest] = await db`select max(seq) as seq from events`
    seq = Number(newest?.seq) - 10
    await db`insert into checkpoints (chain_id, last_block_number, finalized_block_number) values (1, 60000, 59900)`
    await db`
      insert into matcher_cursors (chain_id, block_number, log_index, event_seq, status_id, finalized_block_number)
      values (1, ${block}, 0, ${seq}, 0, 59900)`
    await compressChunks(db)
    await db`analyze`
  })
  afterAll(() => db`truncate checkpoints, matcher_cursors cascade`)

  it.each([
    ['where a matcher is', 'match/read-position', () => [1]],
    ['what came late', 'match/first-late-block', () => [1, seq, 0, block, 0, 59_900]],
    ['the events after a position', 'match/read-events', () => [1, block, 0, 60_000, ago, 500]],
    [
      'those of one trigger',
      'match/read-events-of-trigger',
      () => [1, block, 0, 60_000, ago, 500, 'reputation', ['NewFeedback'], null],
    ],
    ['how far matching is behind', 'manage/read-lags', () => []],
  ])('reads the newest events only, in compressed chunks too: %s', async (_, name, parameters) => {
    const text = readFileSync(new URL(`../../sql/${name}.sql`, import.meta.url), 'utf8')
    const [row] = await db.unsafe(`explain (analyze, format json) ${text}`, parameters() as never[])
    const explained = (row?.['QUERY PLAN'] ?? []) as { Plan: PlanNode }[]
    const read = explained.reduce((sum, { Plan }) => sum + countRead(Plan), 0)
    expect(read).toBeGreaterThan(0)
    expect(read).toBeLessThanOrEqual(2000)
  })
})

describe('migrations with data', () => {
  it('keep every event of an older schema, and count them; taken back to nothing and applied again, leave the same schema', async () => {
    const older = await createTestDatabase()
    const sql = openDatabase(older.url, { name: 'test', connectionsMax: 2 })
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-migrations-'))
    try {
      cpSync(migrations, folder, { recursive: true })
      for (const file of readdirSync(folder)) if (file > '0006') rmSync(join(folder, file))
      await applyMigrations(older.url, folder)
      await sql.unsafe(`
        insert into events (id, chain_id, block_number, block_hash, block_time, transaction_hash, transaction_index, log_index,
          contract_address, registry, event_type, occurrence, agent_id, args, topics, data)
        select format('1-%s-0-%s', n, left(md5(n::text), 16)), 1, n, md5(n::text), timestamptz '2026-01-01' + n * interval '1 minute',
          md5('t' || n), 0, 0, '0x8004', 'identity', 'Registered', n, n, jsonb_build_object('n', n), '{}', '0x'
        from generate_series(1, 100000) n`)
      await sql.unsafe(`
        insert into event_status (event_id, chain_id, block_number, block_time, status, reason)
        select id, chain_id, block_number, block_time, 'retracted', 'test' from events where block_number % 1000 = 0`)
      const sums = () => sql`
        select count(*) as events, sum(seq) as seqs, md5(string_agg(id || occurrence || args, '' order by seq)) as content from events`
      const before = await sums()

      const applied = await applyMigrations(older.url)
      expect(await sums()).toEqual(before)
      const [counts] = await sql`
        select (select count(*) from events_canonical) as canonical, (select sum(event_count)::integer from events_hourly) as hourly`
      expect(counts).toEqual({ canonical: 99_900, hourly: 99_900 })

      const schema = await dumpSchema(sql)
      const relations = async () =>
        (await sql`select relname from pg_class where relnamespace = 'public'::regnamespace order by relname`)
          .map(({ relname }) => String(relname))
          .filter((name) => !name.startsWith('events_2'))
      const names = await relations()
      await compressChunks(sql)
      expect(await sums()).toEqual(before)
      await rollbackMigrations(older.url, 5 + applied.length)
      // Only the table of migrations, with its key and sequence.
      expect((await relations()).filter((name) => !name.startsWith('tocsin_migrations'))).toEqual([])
      expect(
        (await dumpSchema(sql)).split('\n').filter((line) => line.startsWith('-- ')).length,
      ).toBeLessThanOrEqual(1)
      await applyMigrations(older.url)
      expect(await dumpSchema(sql)).toBe(schema)
      expect(await relations()).toEqual(names)
    } finally {
      rmSync(folder, { recursive: true })
      await sql.end()
      await older.drop()
    }
  }, 180_000)
})
