import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { type EventType, eventTypes, type RegistryEvent, registries } from '../../src/event.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { parseCsv } from '../support/parse-csv.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const token = 'a-token-for-tests'
const log = createLog({ level: 'silent', format: 'json' }, 'test')
const start = Date.parse('2026-02-01T00:00:00Z')
const allTypes: readonly EventType[] = registries.flatMap((registry) => [...eventTypes[registry]])
const chains = [1, 8453, 31337]

let database: TestDatabase
let db: Database

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'events api test' })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`truncate events, event_status`
})

type Shown = RegistryEvent & { retracted: boolean; block_time: string }
type Page = { data: Shown[]; next_cursor: string | null; errors: { path: string; message: string }[] }

function request(path: string, headers: Record<string, string> = {}, over = db) {
  const app = createApp({ db: over, log, secrets: testSecrets, token, userId: 'x' })
  return app.request(path, { headers: { authorization: `Bearer ${token}`, ...headers } })
}

async function readPage(parameters: Record<string, string>): Promise<Page> {
  const response = await request(`/v1/events?${new URLSearchParams(parameters)}`)
  const body = (await response.json()) as Page
  expect(response.status, JSON.stringify(body)).toBe(200)
  return body
}

async function readAll(parameters: Record<string, string>, between = async () => {}): Promise<Shown[]> {
  const rows: Shown[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await readPage({ ...parameters, ...(cursor === '' ? {} : { cursor }) })
    rows.push(...page.data)
    cursor = page.next_cursor
    await between()
  }
  return rows
}

const long = 'x'.repeat(64)
const values = {
  agent_id: ['0', '1', '7', (2n ** 256n - 1n).toString()],
  client_address: ['a', 'b', 'c'].map((digit) => `0x${digit.repeat(40)}`),
  validator_address: ['d', 'e'].map((digit) => `0x${digit.repeat(40)}`),
  tag: ['', 'quality', 'Quality', '=1+1', 'ä"\n,', `${long}1`, `${long}2`, long],
  score: ['-1', '0', '0.5', '70.5', '99.999999999999999999', '170141183460469231731687303715884105727'],
}

/** An event with random values, on one of few blocks; forks compete for the same places. */
const eventArbitrary = fc
  .record({
    type: fc.constantFrom(...allTypes),
    chain_id: fc.constantFrom(...chains),
    block_number: fc.integer({ min: 1, max: 40 }),
    log_index: fc.integer({ min: 0, max: 3 }),
    agent_id: fc.constantFrom(...values.agent_id),
    client_address: fc.constantFrom(...values.client_address),
    validator_address: fc.constantFrom(...values.validator_address),
    tag: fc.constantFrom(...values.tag),
    tag2: fc.constantFrom(...values.tag),
    score: fc.constantFrom(...values.score),
  })
  .map(({ type, tag, tag2, score, client_address, validator_address, ...place }) =>
    sampleEvent(type, {
      ...place,
      // Two blocks may have one time.
      block_time: new Date(start + Math.floor(place.block_number / 2) * 1000),
      ...(type === 'NewFeedback' ? { tag1: tag, tag2, score, client_address } : {}),
      ...(type === 'FeedbackRevoked' || type === 'ResponseAppended' ? { client_address } : {}),
      ...(type === 'ValidationRequest' ? { validator_address } : {}),
      ...(type === 'ValidationResponse' ? { validator_address, tag } : {}),
    }),
  )

function someEvents(count: number, seed: number): RegistryEvent[] {
  return fc
    .sample(eventArbitrary, { numRuns: count, seed })
    .map((event, n) => ({ ...event, id: `${seed}-${n}` }))
}

/** Writes events in bulk. */
async function insert(events: readonly RegistryEvent[]): Promise<void> {
  for (let from = 0; from < events.length; from += 500) {
    const rows = events
      .slice(from, from + 500)
      .map(({ seq: _, ...event }) => ({ ...event, topics: [], data: '0x' }))
    await db`insert into events ${db(rows as never)}`
  }
  for (const chainId of new Set(events.map(({ chain_id }) => chain_id))) {
    await db`
      insert into checkpoints (chain_id, last_block_number, finalized_block_number) values (${chainId}, 40, 0) on conflict do nothing`
  }
}

/** The newest first, as the list has them. */
function sorted(events: readonly RegistryEvent[]): RegistryEvent[] {
  const arrival = new Map(events.map(({ id }, index) => [id, index]))
  return events.toSorted(
    (a, b) =>
      b.block_time.getTime() - a.block_time.getTime() ||
      b.chain_id - a.chain_id ||
      b.block_number - a.block_number ||
      b.log_index - a.log_index ||
      (arrival.get(b.id) ?? 0) - (arrival.get(a.id) ?? 0),
  )
}

/** A decimal as a whole number of its 20th decimals. */
function scaled(decimal: string): bigint {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)\.?(\d*)$/.exec(decimal) ?? []
  return BigInt(`${sign}${whole}${fraction.padEnd(20, '0')}`)
}

const timeOf = (second: number) => new Date(start + second * 1000).toISOString()
const filterArbitrary = fc.record(
  {
    chain_id: fc.constantFrom(...chains.map(String)),
    registry: fc.constantFrom(...registries),
    event_type: fc.constantFrom(...allTypes),
    agent_id: fc.constantFrom(...values.agent_id),
    client_address: fc.constantFrom(...values.client_address, `0x${'A'.repeat(40)}`),
    validator_address: fc.constantFrom(...values.validator_address),
    tag: fc.constantFrom(...values.tag, 'none'),
    tag2: fc.constantFrom(...values.tag, 'none'),
    score_min: fc.constantFrom('-5', '0', '0.50', '70.5', '99.9'),
    score_max: fc.constantFrom('100', '99.999999999999999999', `1${'0'.repeat(50)}`),
    since: fc.integer({ min: 0, max: 10 }).map(timeOf),
    until: fc.integer({ min: 10, max: 25 }).map(timeOf),
    from_block: fc.integer({ min: 0, max: 20 }).map(String),
    to_block: fc.integer({ min: 20, max: 50 }).map(String),
    status: fc.constantFrom('canonical', 'all'),
  },
  { requiredKeys: [] },
)
type Filter = Partial<Record<string, string>>

/** The same filter, as anybody would write it down. */
function passes(event: RegistryEvent, filter: Filter, retracted: ReadonlySet<string>): boolean {
  const at = event.block_time.toISOString()
  const score = event.score === null ? undefined : scaled(event.score)
  const tests: Record<string, (value: string) => boolean> = {
    chain_id: (value) => String(event.chain_id) === value,
    registry: (value) => event.registry === value,
    event_type: (value) => event.event_type === value,
    agent_id: (value) => event.agent_id === value,
    client_address: (value) => event.client_address === value.toLowerCase(),
    validator_address: (value) => event.validator_address === value,
    tag: (value) => event.tag1 === value || event.tag === value,
    tag2: (value) => event.tag2 === value,
    score_min: (value) => score !== undefined && score >= scaled(value),
    score_max: (value) => score !== undefined && score <= scaled(value),
    since: (value) => at >= value,
    until: (value) => at < value,
    from_block: (value) => event.block_number >= Number(value),
    to_block: (value) => event.block_number <= Number(value),
    status: () => true,
  }
  if (filter.status !== 'all' && retracted.has(event.id)) return false
  return Object.entries(filter).every(([name, value]) => value === undefined || tests[name]?.(value) === true)
}

describe('GET /v1/events', () => {
  test('every filter, alone and with others, shows what a reader of all events would have picked', async () => {
    const events = someEvents(500, 1)
    await insert(events)
    const retracted = new Set<string>()
    for (const [index, event] of events.entries()) {
      if (index % 5 > 1) continue
      await setEventStatus(db, event, 'retracted')
      if (index % 5 === 0) await setEventStatus(db, event, 'reinstated')
      else retracted.add(event.id)
    }
    const few = fc
      .tuple(filterArbitrary, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })))
      // Most filters together let nothing through.
      .map(
        ([filter, draws]): Filter =>
          Object.fromEntries(Object.entries(filter).filter(() => (draws.next().value ?? 0) < 0.3)),
      )
      .map((filter) =>
        filter.from_block === undefined && filter.to_block === undefined
          ? filter
          : { chain_id: '31337', ...filter },
      )
    const single = filterArbitrary.chain((filter) =>
      fc.constantFrom(...Object.keys(filter), 'status').map((name): Filter => {
        const chosen: Filter = { [name]: (filter as Filter)[name] ?? 'all' }
        return name.endsWith('_block') ? { chain_id: '8453', ...chosen } : chosen
      }),
    )
    let shown = 0
    await fc.assert(
      fc.asyncProperty(fc.oneof(few, single), fc.constantFrom('17', '500'), async (filter, limit) => {
        const expected = sorted(events).filter((event) => passes(event, filter, retracted))
        const rows = await readAll({ ...(filter as Record<string, string>), limit })
        expect(rows.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
        for (const row of rows) expect(row.retracted).toBe(retracted.has(row.id))
        shown += rows.length
      }),
      { numRuns: 250, seed: 4 },
    )
    expect(shown).toBeGreaterThan(5000)
  })

  test('while events arrive and blocks leave the chain, pages hold what was canonical throughout, once each', async () => {
    const events = someEvents(400, 2)
    await insert(events)
    const news = someEvents(400, 3)
    const turned = events.filter((_, index) => index % 3 === 0)
    for (const event of turned.filter((_, index) => index % 2 === 0))
      await setEventStatus(db, event, 'retracted')
    let turn = 0
    const rows = await readAll({ limit: '7' }, async () => {
      await insert(news.slice(turn * 7, turn * 7 + 7))
      for (const event of turned.filter((_, index) => index % 8 === turn % 8)) {
        await setEventStatus(db, event, turn % 2 === 0 ? 'retracted' : 'reinstated')
      }
      turn += 1
    })
    const ids = rows.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const throughout = events.filter((event) => !turned.includes(event))
    expect(ids.filter((id) => throughout.some((event) => event.id === id))).toEqual(
      sorted(throughout).map(({ id }) => id),
    )
    expect(turn).toBeGreaterThan(40)
  })

  test.each([
    ['client_address=0x12', 'client_address', 'expected an address: 0x and 40 hex digits'],
    ['validator_address=x', 'validator_address', 'expected an address: 0x and 40 hex digits'],
    ['tag=a&tag=b', 'tag', 'expected a tag, once'],
    ['tag2=%00', 'tag2', 'expected a tag without NUL characters'],
    ['score_min=1e3', 'score_min', 'expected a number, such as 70 or -0.5'],
    ['score_min=2&score_max=1.99', 'score_min', 'the range is empty: expected no more than score_max'],
    ['since=yesterday', 'since', 'expected a time such as 2026-11-20T08:30:00Z, or a day such as 2026-11-20'],
    ['since=2026-02-02&until=2026-02-01', 'since', 'the range is empty: expected no more than until'],
    ['from_block=5', 'from_block', 'blocks are of one chain: expected a chain_id too'],
    [
      'chain_id=1&from_block=5&to_block=4',
      'from_block',
      'the range is empty: expected no more than to_block',
    ],
    ['chain_id=1&to_block=-4', 'to_block', 'expected the number of a block'],
    ['status=retracted', 'status', 'expected one of canonical, all'],
    ['format=xml', 'format', 'expected one of json, csv, ndjson'],
    ['format=csv&limit=5', 'limit', 'is for pages: csv holds all events, from cursor on'],
  ])('%s is a 400 that names the parameter', async (parameters, name, message) => {
    const response = await request(`/v1/events?${parameters}`)
    expect(response.status).toBe(400)
    expect(((await response.json()) as Page).errors).toEqual([{ path: name, message }])
  })
})

describe('exports', () => {
  test('CSV and NDJSON hold the events of the pages, in their order', async () => {
    await insert(someEvents(2300, 5))
    const rows = await readAll({ registry: 'reputation', limit: '500' })
    expect(rows.length).toBeLessThan(1000)
    for (const [filter, expected] of [
      ['registry=reputation&', rows],
      ['', await readAll({ limit: '500' })],
    ] as const) {
      const ndjson = await request(`/v1/events?${filter}format=ndjson`)
      expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8')
      const lines = (await ndjson.text()).trimEnd().split('\n')
      expect(lines.map((line) => JSON.parse(line))).toEqual(expected)

      const csv = await request(`/v1/events?${filter}`, { accept: 'text/csv' })
      expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
      const [names = [], ...cells] = parseCsv(await csv.text())
      expect(names).toEqual(Object.keys(expected[0] ?? {}))
      expect(cells).toEqual(
        expected.map((event) =>
          names.map((name) => {
            const value = (event as Record<string, unknown>)[name ?? '']
            if (value === null) return null
            if (name === 'args') return JSON.stringify(value)
            return value === '=1+1' ? "'=1+1" : String(value)
          }),
        ),
      )
    }
  })

  test('without events NDJSON is empty and CSV has its header', async () => {
    expect(await (await request('/v1/events?format=ndjson')).text()).toBe('')
    expect(await (await request('/v1/events?format=csv')).text()).toMatch(/^id,seq,.*,retracted\r\n$/)
  })

  /** The database, with a look at every query before it is made. */
  function watched(look: (count: number) => void): Database {
    let count = 0
    return new Proxy(db, {
      get: (target, name) => {
        if (name !== 'unsafe') return Reflect.get(target, name)
        return (...parameters: Parameters<Database['unsafe']>) => {
          count += 1
          look(count)
          return target.unsafe(...parameters)
        }
      },
    })
  }

  test('nothing is read ahead of the client, and nothing more when it has gone', async () => {
    await insert(someEvents(3500, 6))
    let queries = 0
    const response = await request(
      '/v1/events?format=ndjson',
      {},
      watched((count) => (queries = count)),
    )
    expect(queries).toBe(1)
    const reader = response.body?.getReader()
    await reader?.read()
    expect(queries).toBe(1)
    await reader?.read()
    expect(queries).toBe(2)
    await reader?.cancel()
    await db`select 1`
    expect(queries).toBe(2)
  })

  test('what fails at first is a problem, and what fails later breaks the transfer off', async () => {
    await insert(someEvents(1500, 7))
    const failAt = (at: number) =>
      watched((count) => {
        if (count === at) throw Object.assign(new Error('gone'), { code: 'ECONNRESET' })
      })
    expect((await request('/v1/events?format=csv', {}, failAt(1))).status).toBe(503)
    const response = await request('/v1/events?format=csv', {}, failAt(2))
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow('gone')
  })
})

test('the replacement of a registry is found by its type and by its registry', async () => {
  const upgraded = ['identity', 'reputation'].map((registry, n) =>
    sampleEvent('Registered', { id: registry, log_index: n, registry, event_type: 'Upgraded' } as never),
  )
  await insert(upgraded)
  const idsOf = async (parameters: Record<string, string>) =>
    (await readPage(parameters)).data.map(({ id }) => id)
  expect(await idsOf({ event_type: 'Upgraded' })).toEqual(['reputation', 'identity'])
  expect(await idsOf({ registry: 'identity' })).toEqual(['identity'])
  expect(await idsOf({ registry: 'reputation', event_type: 'Upgraded' })).toEqual(['reputation'])
})

test('an event is found by its chain and block, also where the newest are far away', async () => {
  const old = sampleEvent('Registered', { id: 'old', block_number: 5 })
  const recent = sampleEvent('Registered', {
    id: 'new',
    block_number: 9_000,
    block_time: new Date(start + 9e9),
  })
  await insertEvents(db, [old, recent], { chainId: 31337, lastBlock: 9_000 })
  expect((await readPage({ chain_id: '31337', to_block: '10' })).data.map(({ id }) => id)).toEqual(['old'])
  expect((await readPage({ chain_id: '31337', from_block: '10' })).data.map(({ id }) => id)).toEqual(['new'])
  expect((await readPage({ chain_id: '31337', from_block: '9001' })).data).toEqual([])
})
