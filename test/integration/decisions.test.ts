import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { matchStep, type TriggerCache } from '../../worker/match-step.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const chainId = 31337
const start = Date.UTC(2026, 1, 1)
const token = 'a-token-for-tests'
const log = createLog({ level: 'silent', format: 'json' }, 'test')
let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>
let cache: TriggerCache | undefined

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  app = createApp({ db, log, secrets: testSecrets, token, userId: await ensureUser(db, 'bootstrap') })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  cache = undefined
  await db`truncate events, event_status, checkpoints, matcher_cursors, matches, deliveries, action_results, triggers,
    trigger_state_journal, trigger_changes, event_files, alerts cascade`
})

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any

async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: Body }> {
  const response = await app.request(path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: await response.json() }
}

const document = (fields: object = {}) => ({
  name: 'Test',
  chain_id: chainId,
  registry: 'reputation',
  from_block: 0,
  conditions: [average],
  actions: [{ action_type: 'rest', config: { url: 'https://receiver.example/' } }],
  ...fields,
})
const low = { condition_type: 'score_threshold', operator: '<', value: 50 }
const average = {
  condition_type: 'ema_threshold',
  field: 'score',
  operator: '<',
  value: 50,
  config: { alpha: 0.5 },
}
const ratio = { condition_type: 'expression', value: '100 / int(event.score) > 5' }

const feedback = (n: number, score: number, fields: Partial<RegistryEvent> = {}) =>
  sampleEvent('NewFeedback', {
    id: `e${n}`,
    block_number: n,
    log_index: 0,
    block_hash: `0x${n}`,
    transaction_hash: `0x${n}`,
    occurrence: `o${n}`,
    block_time: new Date(start + n * 1000),
    score: String(score),
    ...fields,
  })

const arrive = async (events: RegistryEvent[], lastBlock: number) => {
  await insertEvents(db, events, { chainId, lastBlock })
  await db`update checkpoints set last_block_time = ${new Date(start + lastBlock * 1000)}`
  await match()
}
const match = async () => {
  for (;;) {
    const step = await matchStep(db, chainId, cache, { eventsMax: 100 })
    cache = step.cache
    if (step.outcome !== 'more') return
  }
}
const create = async (fields: object = {}) => {
  const { status, body } = await ask('POST', '/v1/triggers', document(fields))
  expect(status, JSON.stringify(body)).toBe(201)
  await match()
  return body.id as string
}
const explain = async (id: string, event: string) => {
  const { status, body } = await ask('GET', `/v1/triggers/${id}/decisions?event=${event}`)
  expect(status, JSON.stringify(body)).toBe(200)
  return body
}

describe('GET /v1/triggers/{id}/decisions?event=', () => {
  test('says why it fired, with the state before and after, and shows the match', async () => {
    await arrive([], 0)
    const id = await create()
    await arrive([feedback(1, 80), feedback(2, 10), feedback(3, 0, { agent_id: '8' })], 3)
    expect(await explain(id, 'e2')).toMatchObject({
      outcome: 'fired',
      reason: 'all conditions hold',
      evidence: [
        { seen: 45, holds: true, scope: '7', state_before: { ema: 80 }, state: { ema: 45, count: 2 } },
      ],
      matches: [
        { event_id: 'e2', status: 'standing', trigger_version: 1, evidence: [{ seen: 45 }], history: [] },
      ],
      replayed_events: 1,
    })
  })

  test('says what did not hold, and what was not asked', async () => {
    await arrive([], 0)
    const id = await create({ conditions: [average, low] })
    await arrive([feedback(1, 80), feedback(2, 49, { agent_id: '8' }), feedback(3, 45), feedback(4, 40)], 4)
    expect(await explain(id, 'e1')).toMatchObject({
      outcome: 'not fired',
      evidence: [
        { position: 0, condition_type: 'ema_threshold', seen: null, holds: null },
        { position: 1, seen: '80', holds: false },
      ],
      matches: [],
    })
    // The first of them left no trace in the state.
    expect(await explain(id, 'e4')).toMatchObject({
      outcome: 'fired',
      evidence: [{ seen: 42.5, state_before: { ema: 45, count: 1 } }, { holds: true }],
    })
    const strict = await create({
      conditions: [{ ...average, config: { alpha: 0.5, min_count: 2 } }],
      name: 'b',
    })
    expect(await explain(strict, 'e1')).toMatchObject({
      outcome: 'not fired',
      evidence: [{ seen: 80, holds: false }],
    })
  })

  test('says what held it back, and what that remembers', async () => {
    await arrive([], 0)
    const id = await create({ conditions: [low], cooldown: { period: '10s' } })
    await arrive([feedback(1, 1), feedback(5, 2)], 5)
    expect(await explain(id, 'e5')).toMatchObject({
      outcome: 'held back',
      held_back_by: 'cooldown',
      evidence: [{ holds: true }],
      limits: [{ kind: 'cooldown', scope: '7', state_before: { held: 0 }, state: { held: 1 } }],
    })
    expect((await ask('GET', `/v1/triggers/${id}/state`)).body).toMatchObject({
      data: [{ position: -1, condition_type: 'cooldown', scope: '7', state: { held: 1 } }],
      held_back: [{ limit: 'cooldown', held_back: 1, untold: 1, scopes: 1 }],
      next_cursor: null,
    })
  })

  test('says why it could not decide, and lists such events, the newest first', async () => {
    await arrive([], 0)
    const id = await create({ conditions: [ratio] })
    await arrive([feedback(1, 0), feedback(2, 10), feedback(3, 0)], 3)
    const explained = await explain(id, 'e1')
    expect(explained).toMatchObject({ outcome: 'undecided', evidence: [{ holds: false }] })
    expect(explained.reason).toContain('zero')
    const first = await ask('GET', `/v1/triggers/${id}/decisions?limit=1`)
    expect(first.body.data).toMatchObject([{ event_id: 'e3', reason: explained.reason }])
    const second = await ask('GET', `/v1/triggers/${id}/decisions?limit=1&cursor=${first.body.next_cursor}`)
    expect(second.body).toMatchObject({ data: [{ event_id: 'e1' }], next_cursor: null })
  })

  test('tells history that only builds the state from what it fires for', async () => {
    await arrive([feedback(1, 10), feedback(2, 10)], 2)
    const id = await create({ from_block: 2, warm_up: true })
    expect(await explain(id, 'e1')).toMatchObject({ outcome: 'only remembered', evidence: [{ holds: true }] })
    expect(await explain(id, 'e2')).toMatchObject({ outcome: 'fired', evidence: [{ state: { count: 2 } }] })
  })

  test('waits with the matcher, and with what the trigger waits for', async () => {
    await arrive([], 0)
    const id = await create({ conditions: [{ condition_type: 'file_fetched', value: true }] })
    await insertEvents(db, [feedback(1, 1)], { chainId, lastBlock: 1 })
    expect(await explain(id, 'e1')).toMatchObject({
      outcome: 'waiting',
      reason: 'the matcher has not come to it yet',
    })
    await match()
    expect(await explain(id, 'e1')).toMatchObject({ outcome: 'waiting' })
    expect((await explain(id, 'e1')).reason).toContain('waits for a file')
  })

  const unseen: [string, object, (event: RegistryEvent) => Partial<RegistryEvent>, string][] = [
    [
      'of another registry',
      { registry: 'validation', conditions: [] },
      () => ({}),
      'of the reputation registry',
    ],
    ['of another chain', {}, () => ({ chain_id: 84532 }), 'of chain 84532'],
    ['before from_block', { from_block: 9 }, () => ({}), 'before from_block (9)'],
    ['from before the trigger', { from_block: null }, () => ({}), 'from before the trigger was switched on'],
    ['while it is off', { enabled: false }, () => ({}), 'switched off'],
  ]
  test.each(unseen)('says why it was not looked at: %s', async (_, fields, change, reason) => {
    await arrive([], 0)
    const id = await create(fields)
    const event = feedback(1, 1)
    await arrive([{ ...event, ...change(event) }], 1)
    const explained = await explain(id, 'e1')
    expect(explained).toMatchObject({ outcome: 'not looked at', matches: [] })
    expect(explained.reason).toContain(reason)
  })

  test('says that its block left the chain, and shows the retracted match', async () => {
    await arrive([], 0)
    const id = await create({ conditions: [low] })
    await arrive([feedback(1, 1)], 1)
    await setEventStatus(db, feedback(1, 1), 'retracted')
    await match()
    const explained = await explain(id, 'e1')
    expect(explained).toMatchObject({
      outcome: 'not looked at',
      matches: [{ status: 'retracted', retractions: 1 }],
    })
    expect(explained.reason).toContain('left the canonical chain')
  })

  test('leaves what an earlier generation decided to that one, and shows its match', async () => {
    await arrive([], 0)
    const id = await create({ from_block: null, conditions: [low] })
    await db`update triggers set active_since = ${new Date(start)}`
    await arrive([feedback(1, 1)], 1)
    await ask('PUT', `/v1/triggers/${id}`, document({ from_block: null, conditions: [{ ...low, value: 1 }] }))
    await match()
    const explained = await explain(id, 'e1')
    expect(explained).toMatchObject({
      outcome: 'not looked at',
      matches: [{ trigger_version: 1, generation: 1, evidence: [{ value: '50', holds: true }] }],
    })
    expect(explained.reason).toContain('generation')
    expect(explained.reason).toContain('version 1 of the trigger decided it')
    await arrive([feedback(2, 0)], 2)
    expect(await explain(id, 'e2')).toMatchObject({ outcome: 'fired', replayed_events: 0 })
  })

  test('agrees with every match that the matcher stored, whichever event is asked for', async () => {
    await arrive([], 0)
    const id = await create({
      conditions: [
        average,
        {
          condition_type: 'distinct_count',
          field: 'client_address',
          value: 2,
          config: { time_window: '9s', scope: 'trigger' },
        },
      ],
      max_fires: { count: 2, within: '10s', scope: 'client' },
    })
    const events = Array.from({ length: 40 }, (_, n) =>
      feedback(n + 1, (n * 37) % 100, {
        agent_id: String(n % 3),
        client_address: `0x${String((n * 7) % 4).repeat(40)}`,
      }),
    )
    await arrive(events, 40)
    const stored = new Set(
      (await db<{ event_id: string }[]>`select event_id from matches`).map((row) => row.event_id),
    )
    expect(stored.size).toBeGreaterThan(3)
    for (const event of events) {
      const { outcome, evidence, matches } = await explain(id, event.id)
      expect(outcome === 'fired', event.id).toBe(stored.has(event.id))
      if (outcome === 'fired') expect(matches[0].evidence).toEqual(evidence)
    }
  })

  test('knows no trigger and no event that is not there', async () => {
    await arrive([feedback(1, 1)], 1)
    const id = await create()
    expect((await ask('GET', `/v1/triggers/${id}/decisions?event=no`)).status).toBe(404)
    expect((await ask('GET', '/v1/triggers/no/decisions?event=e1')).status).toBe(404)
    expect((await ask('GET', '/v1/triggers/no/decisions')).status).toBe(404)
  })
})

test('GET /v1/triggers/{id}/state pages through what is remembered, by position and scope', async () => {
  await arrive([], 0)
  const id = await create({ conditions: [average, { ...average, config: { alpha: 0.5, scope: 'trigger' } }] })
  await arrive([feedback(1, 1), feedback(2, 2, { agent_id: '8' })], 2)
  const rows: unknown[] = []
  let cursor = ''
  do {
    const { body } = await ask('GET', `/v1/triggers/${id}/state?limit=1${cursor}`)
    rows.push(...body.data)
    cursor = body.next_cursor === null ? '' : `&cursor=${body.next_cursor}`
  } while (cursor !== '')
  expect(rows).toMatchObject([
    { position: 0, condition_type: 'ema_threshold', scope: '7', state: { ema: 1, count: 1 }, wake_at: null },
    { position: 0, scope: '8' },
    { position: 1, scope: '', state: { count: 2 } },
  ])
  expect((await ask('GET', `/v1/triggers/${id}/state?scope=8`)).body.data).toHaveLength(1)
  expect((await ask('GET', `/v1/triggers/${id}/state?scope=`)).body.data).toHaveLength(1)
  expect((await ask('GET', '/v1/triggers/no/state')).status).toBe(404)
})
