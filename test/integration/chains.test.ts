import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { checkHistory } from '../../indexer/check-history.ts'
import { createLooker } from '../../indexer/watch-chains.ts'
import { createApp } from '../../src/api/app.ts'
import type { ConfiguredChain } from '../../src/config.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { sampleEvent } from '../support/events.ts'
import { type FakeEndpoint, startFakeEndpoint } from '../support/fake-endpoint.ts'
import { insertEvents } from '../support/insert-events.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

/** Looks at a chain whose endpoint is ours and whose Ponder is a row; the clock is set by hand. */

const log = createLog({ level: 'silent', format: 'json' }, 'test')
const token = 'a-token-for-tests'
const id = 31337

let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>
let endpoint: FakeEndpoint
let chain: ConfiguredChain
let look: () => Promise<void>
let nowMs: number

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test', connectionsMax: 3 })
  const userId = await ensureUser(db, 'bootstrap')
  app = createApp({ db, log, secrets: testSecrets, token, userId })
  await db.unsafe(
    'create schema p; create table p._ponder_checkpoint (chain_id int8 primary key, latest_checkpoint text)',
  )
})

afterAll(async () => {
  await db?.end()
  await database?.drop()
})

beforeEach(async () => {
  await db`truncate events, event_status, checkpoints, chain_heads, final_blocks, alerts, p._ponder_checkpoint cascade`
  endpoint = await startFakeEndpoint(id)
  chain = {
    ...{
      id,
      name: 'local',
      startBlock: 1,
      rpcUrl: endpoint.rpcUrl,
      wsUrl: undefined,
      pollingIntervalMs: 1000,
    },
    registries: { identity: '0x01', reputation: '0x02', validation: '0x03' },
  }
  nowMs = Date.parse('2026-01-01T00:00:00Z')
  look = startLooking()
})

afterEach(() => endpoint.close())

function startLooking(): () => Promise<void> {
  return createLooker([chain], { db, schema: 'p', log, now: () => nowMs }).look
}

/** Seconds pass, blocks come, Ponder reads; then somebody looks. */
async function see(
  seconds: number,
  { head, read, finalized }: { head: number; read?: number; finalized?: number },
) {
  nowMs += seconds * 1000
  endpoint.head = head
  if (read !== undefined) {
    const digits = (value: number, length: number) => String(value).padStart(length, '0')
    const checkpoint =
      digits(1_700_000_000 + read * 2, 10) + digits(id, 16) + digits(read, 16) + '9'.repeat(33)
    await db`insert into p._ponder_checkpoint values (${id}, ${checkpoint})
      on conflict (chain_id) do update set latest_checkpoint = excluded.latest_checkpoint`
    await db`insert into checkpoints (chain_id, last_block_number, last_block_time, finalized_block_number)
      values (${id}, ${read}, to_timestamp(${1_700_000_000 + read * 2}), ${finalized ?? read})
      on conflict (chain_id) do update set last_block_number = excluded.last_block_number,
        last_block_time = excluded.last_block_time, finalized_block_number = excluded.finalized_block_number`
  }
  await look()
}

async function ask(path: string) {
  const response = await app.request(path, { headers: { authorization: `Bearer ${token}` } })
  expect(response.status).toBe(200)
  return ((await response.json()) as { data: Record<string, unknown>[] }).data
}

const readAlerts = () => db`select kind, message, detail, resolved_at is null as open from alerts order by id`

describe('progress', () => {
  test('of a chain whose history is read: percent, blocks a second and the time that is left', async () => {
    await see(0, { head: 1000 })
    expect(await ask('/v1/chains')).toMatchObject([
      { chain_id: id, name: 'local', state: 'backfilling', head_block: 1000, last_block: null, percent: 0 },
    ])
    await see(5, { head: 1000, read: 100 })
    await see(10, { head: 1000, read: 200 })
    expect(await ask('/v1/chains')).toMatchObject([
      {
        ...{
          state: 'backfilling',
          last_block: 200,
          finalized_block: 200,
          percent: 20,
          blocks_per_second: 10,
        },
        ...{ seconds_left: 80, lag_blocks: 800, lag_seconds: 1600, alerts: [] },
      },
    ])
  })

  test('of a chain that is read again for a new schema is how far that is; what is complete stays', async () => {
    await see(0, { head: 1000, read: 990, finalized: 960 })
    await db`update checkpoints set last_block_number = 960`
    await db`update p._ponder_checkpoint set latest_checkpoint = overlay(latest_checkpoint placing lpad('500', 16, '0') from 27)`
    await see(5, { head: 1000 })
    expect(await ask('/v1/chains')).toMatchObject([{ state: 'backfilling', last_block: 960, percent: 50 }])
  })

  test('of a chain that is followed, and of one that falls silent', async () => {
    await see(0, { head: 1000, read: 999, finalized: 960 })
    expect(await ask('/v1/chains')).toMatchObject([
      { state: 'live', percent: 99.9, lag_blocks: 1, lag_seconds: 2, seconds_left: null },
    ])
    endpoint.up = false
    await see(5, { head: 1001 })
    await db`update chain_heads set answered_at = now() - interval '31 seconds'`
    expect(await ask('/v1/chains')).toMatchObject([{ state: 'silent', head_block: 1000, last_block: 999 }])
  })
})

describe('a chain whose head moves while we do not', () => {
  test('is one open alert for as long as it lasts, however often Ponder begins again', async () => {
    await see(0, { head: 100, read: 100, finalized: 70 })
    await see(5, { head: 101, read: 100, finalized: 70 })
    await see(55, { head: 130, read: 100, finalized: 70 })
    expect(await readAlerts()).toEqual([])
    await see(5, { head: 131, read: 100, finalized: 70 })
    expect(await readAlerts()).toMatchObject([{ kind: 'chain_stuck', open: true }])
    expect(await ask('/v1/chains')).toMatchObject([{ state: 'stuck', alerts: ['chain_stuck'] }])

    // Ponder starts again, reads what it had read before, and is stuck at the same place; then the role itself starts again.
    await see(5, { head: 140, read: 70, finalized: 70 })
    await see(5, { head: 141, read: 100, finalized: 70 })
    look = startLooking()
    await see(5, { head: 142, read: 100, finalized: 70 })
    await see(700, { head: 150, read: 100, finalized: 70 })
    expect(await readAlerts()).toMatchObject([{ kind: 'chain_stuck', open: true }])
    const [shown] = await ask('/v1/alerts?open=true')
    expect(shown).toMatchObject({
      kind: 'chain_stuck',
      chain_id: id,
      destination_id: null,
      resolved_at: null,
    })
    expect(shown?.message).not.toContain('secret-key')

    await see(5, { head: 151, read: 101, finalized: 70 })
    expect(await readAlerts()).toMatchObject([{ kind: 'chain_stuck', open: false }])
    expect(await ask('/v1/chains')).toMatchObject([{ state: 'live', alerts: [] }])
  })

  test('is not one that stands still, nor one whose endpoint does not answer, however long', async () => {
    await see(0, { head: 100, read: 90, finalized: 70 })
    await see(700, { head: 100, read: 90, finalized: 70 })
    endpoint.up = false
    await see(700, { head: 120, read: 90, finalized: 70 })
    expect(await readAlerts()).toEqual([])
  })

  test('has ten minutes while history is read: Ponder tells only of whole ranges', async () => {
    await see(0, { head: 1000, read: 90 })
    await see(5, { head: 1001, read: 90 })
    await see(300, { head: 1010, read: 90 })
    expect(await readAlerts()).toEqual([])
    await see(301, { head: 1020, read: 90 })
    expect(await readAlerts()).toMatchObject([{ kind: 'chain_stuck', open: true }])
  })
})

describe('a reorganisation deeper than finality', () => {
  test('is an alert when two looks in a row find it, also after a restart; it ends if the old chain comes back', async () => {
    await see(0, { head: 100, read: 100, finalized: 40 })
    await see(5, { head: 160, read: 160, finalized: 100 })
    // Ponder knows nothing of it: what it has read stays.
    Object.assign(endpoint, { forkedAt: 60, fork: 1 })
    look = startLooking()
    await see(30, { head: 200, read: 160, finalized: 100 })
    expect(await readAlerts(), 'an endpoint can lie').toEqual([])
    await see(5, { head: 201, read: 160, finalized: 100 })
    await see(40, { head: 202, read: 160, finalized: 100 })
    expect(await readAlerts()).toMatchObject([
      { kind: 'deep_reorg', open: true, detail: { block: 100, common_block: 40 } },
    ])
    endpoint.forkedAt = Number.POSITIVE_INFINITY
    await see(40, { head: 210, read: 210, finalized: 150 })
    expect(await readAlerts()).toMatchObject([{ kind: 'deep_reorg', open: false }])
  })

  test('is none when it is not deeper, nor when an endpoint lags or lies once', async () => {
    await see(0, { head: 100, read: 100, finalized: 70 })
    Object.assign(endpoint, { forkedAt: 71, fork: 1 })
    await see(40, { head: 130, read: 130, finalized: 70 })
    await see(40, { head: 50 })
    Object.assign(endpoint, { forkedAt: 0, fork: 2 })
    await see(40, { head: 130 })
    Object.assign(endpoint, { forkedAt: 71, fork: 1 })
    await see(40, { head: 131 })
    expect(await readAlerts()).toEqual([])
  })

  test('that took finalized events is told by an alert when the indexer refuses to start', async () => {
    const event = sampleEvent('Registered', { chain_id: id, block_number: 50 })
    await insertEvents(db, [event], { chainId: id, lastBlock: 100, finalizedBlock: 70 })
    endpoint.head = 100
    await expect(checkHistory(db, [chain])).rejects.toThrow(
      /is not the one from which this database has finalized events/,
    )
    expect(await readAlerts()).toMatchObject([{ kind: 'deep_reorg', open: true, detail: { block: 50 } }])
  })

  test('keeps the newest hundred final hashes, and the first that was seen of each', async () => {
    for (let block = 1; block <= 120; block++) {
      await see(1, { head: block + 30, read: block + 30, finalized: block })
    }
    const [kept] = await db`select count(*)::int as count, min(block_number)::int as first from final_blocks`
    expect(kept).toEqual({ count: 100, first: 21 })
  })
})

describe('/metrics', () => {
  const scrape = (metricsToken?: string, headers: Record<string, string> = {}) =>
    createApp({ db, log, secrets: testSecrets, token, userId: 'x', metricsToken }).request('/metrics', {
      headers,
    })

  test('tells of chains, events and alerts what the tables say, to whoever asks', async () => {
    const event = sampleEvent('Registered', { chain_id: id, block_number: 50 })
    await insertEvents(db, [event], { chainId: id, lastBlock: 100, finalizedBlock: 70 })
    await see(0, { head: 1000, read: 100 })
    await see(10, { head: 1000, read: 200 })
    await db`insert into alerts (kind, chain_id, message) values ('chain_stuck', ${id}, 'it is')`
    const text = await (await scrape()).text()
    const labels = `chain_id="${id}",chain="local"`
    for (const line of [
      `tocsin_chain_head_block{${labels}} 1000`,
      `tocsin_chain_last_block{${labels}} 200`,
      `tocsin_chain_lag_seconds{${labels}} 1600`,
      `tocsin_chain_blocks_per_second{${labels}} 10`,
      `tocsin_chain_progress_ratio{${labels}} 0.2`,
      `tocsin_chain_state{${labels},state="stuck"} 1`,
      `tocsin_chain_state{${labels},state="live"} 0`,
      `tocsin_events{chain_id="${id}",event_type="Registered"} 1`,
      `tocsin_alerts_open{kind="chain_stuck",chain_id="${id}"} 1`,
      'tocsin_deliveries{state="pending"} 0',
      'tocsin_destinations{state="open"} 0',
      'tocsin_outbox_oldest_seconds 0',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
  })

  test('asks for its own token where one is set, and not for that of the API', async () => {
    const own = 'a-token-for-metrics'
    expect((await scrape(own)).status).toBe(401)
    expect((await scrape(own, { authorization: `Bearer ${token}` })).status).toBe(401)
    expect((await scrape(own, { authorization: `Bearer ${own}` })).status).toBe(200)
  })
})
