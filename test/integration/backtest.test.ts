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
    trigger_state_journal, trigger_changes, alerts cascade`
})

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await app.request(path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isLines = response.headers.get('content-type')?.includes('ndjson')
  const parsed: Body = isLines
    ? text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Body)
    : JSON.parse(text)
  return { status: response.status, body: parsed }
}

const action = { action_type: 'rest', config: { url: 'https://receiver.example/' } }
const low = { condition_type: 'score_threshold', operator: '<', value: 50 }
const document = (fields: object = {}) => ({
  name: 'Test',
  chain_id: chainId,
  registry: 'reputation',
  from_block: 0,
  conditions: [low],
  actions: [action],
  ...fields,
})

/** Feedback in block `n`, which is `n` seconds old. */
const feedback = (n: number, score: number, fields: Partial<RegistryEvent> = {}) =>
  sampleEvent('NewFeedback', {
    id: `${chainId}-${n}-0`,
    block_number: n,
    log_index: 0,
    block_hash: `0x${n}`,
    transaction_hash: `0x${n}`,
    occurrence: `${chainId}-0x${n}-0-0`,
    block_time: new Date(start + n * 1000),
    score: String(score),
    ...fields,
  })

/** What chance could leave: many agents and clients, and a retracted event now and then. */
async function fill(count: number) {
  let seed = 7
  const random = () => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    return seed / 2 ** 31
  }
  const events = Array.from({ length: count }, (_, index) =>
    feedback(1 + Math.floor(index / 3), Math.floor(random() * 100), {
      id: `e${index}`,
      log_index: index % 3,
      transaction_hash: `0x${index}`,
      occurrence: `o${index}`,
      agent_id: String(Math.floor(random() * 5)),
      client_address: `0x${String(Math.floor(random() * 7)).repeat(40)}`,
    }),
  )
  await arrive(events, Math.ceil(count / 3) + 50)
  for (const event of events.filter((_, index) => index % 50 === 49)) {
    await setEventStatus(db, event, 'retracted')
  }
  return events
}

async function arrive(events: RegistryEvent[], lastBlock: number) {
  await insertEvents(db, events, { chainId, lastBlock })
  await db`update checkpoints set last_block_time = ${new Date(start + lastBlock * 1000)}`
}
const match = async () => {
  for (;;) {
    const step = await matchStep(db, chainId, cache, { eventsMax: 97 })
    cache = step.cache
    if (step.outcome !== 'more') return
  }
}
const create = async (fields: object = {}) => {
  const { status, body } = await ask('POST', '/v1/triggers', document(fields))
  expect(status, JSON.stringify(body)).toBe(201)
  return body.id as string
}

describe('POST /v1/triggers/backtest', () => {
  const kinds: [string, object][] = [
    ['nothing but the event', {}],
    [
      'an average and a rate',
      {
        conditions: [
          {
            condition_type: 'ema_threshold',
            field: 'score',
            operator: '<',
            value: 45,
            config: { alpha: 0.4 },
          },
          { condition_type: 'rate_limit', value: 2, config: { time_window: '20s' } },
        ],
      },
    ],
    [
      'distinct clients, held back with a digest',
      {
        conditions: [
          {
            condition_type: 'distinct_count',
            field: 'client_address',
            value: 3,
            config: { time_window: '15s' },
          },
        ],
        cooldown: { period: '10s', digest: true },
      },
    ],
    [
      'absence, at most so often',
      {
        conditions: [{ condition_type: 'absence', config: { time_window: '6s' } }],
        max_fires: { count: 3, within: '60s' },
      },
    ],
    [
      'an expression',
      { conditions: [{ condition_type: 'expression', value: 'event.score < 20.0 || event.score > 90.0' }] },
    ],
  ]
  test.each(kinds)(
    'fires as often as the matcher has fired, with the same evidence: %s',
    async (_, fields) => {
      await fill(400)
      const id = await create(fields)
      await match()
      const stored = await db`
      select kind, occurrence, event_id, evidence from matches where status = 'standing' order by occurrence`
      expect(stored.length).toBeGreaterThan(5)
      for (const asked of [{ trigger_id: id }, { trigger: document(fields) }]) {
        const { status, body } = await ask('POST', '/v1/triggers/backtest', {
          ...asked,
          from_block: 0,
          limit: 1000,
        })
        expect(status, JSON.stringify(body)).toBe(200)
        expect(body.matches.total).toBe(stored.length)
        const found = (body.first as Body[])
          .map(({ kind, occurrence, event_id, evidence }) => ({ kind, occurrence, event_id, evidence }))
          .sort((a, b) => (a.occurrence < b.occurrence ? -1 : 1))
        expect(found).toEqual(
          stored.map((row) => ({ ...row })).sort((a, b) => (a.occurrence < b.occurrence ? -1 : 1)),
        )
        const [held] = await db`
        select coalesce(sum((state ->> 'held_in_all')::integer), 0)::integer as held from trigger_state where position < 0`
        expect(body.held_back.cooldown + body.held_back.max_fires).toBe(held?.held)
        const counted = (body.histogram.buckets as Body[]).reduce((sum, { matches }) => sum + matches, 0)
        expect(counted).toBe(stored.length)
      }
      expect(await db`select id from matches where trigger_id <> ${id}`).toHaveLength(0)
    },
  )

  test('keeps to its range, by blocks and by times, with state from before only with warm_up', async () => {
    await arrive(
      [10, 10, 90, 90].map((score, index) => feedback(index + 1, score)),
      4,
    )
    const average = {
      conditions: [
        { condition_type: 'ema_threshold', field: 'score', operator: '<', value: 80, config: { alpha: 0.5 } },
      ],
    }
    const run = async (range: object, fields: object = {}) => {
      const asked = { trigger: document({ ...average, ...fields }), ...range }
      const { body } = await ask('POST', '/v1/triggers/backtest', asked)
      return (body.first as Body[]).map(({ block_number }) => block_number as number)
    }
    const at = (n: number) => new Date(start + n * 1000).toISOString()
    expect(await run({ from_block: 1 })).toEqual([1, 2, 3, 4])
    expect(await run({ from_block: 2, to_block: 3 })).toEqual([2, 3])
    expect(await run({ from: at(2), to: at(3) })).toEqual([2])
    expect(await run({ from_block: 3 })).toEqual([])
    expect(await run({ from_block: 3 }, { warm_up: true })).toEqual([3, 4])
    expect(await run({ from: at(3) }, { warm_up: true })).toEqual([3, 4])
    expect(await run({})).toEqual([1, 2, 3, 4])
    expect(await run({ to: at(2) })).toEqual([1])
  })

  test('without a range takes the last 30 days', async () => {
    const day = 86_400
    await arrive([feedback(1, 10), feedback(2 * day, 10), feedback(31 * day, 10)], 31 * day)
    const { body } = await ask('POST', '/v1/triggers/backtest', { trigger: document() })
    expect(body.matches.total).toBe(2)
    expect(body.histogram.unit).toBe('day')
  })

  test('shows what each action would send, and says where one could not', async () => {
    await arrive([feedback(1, 10)], 1)
    const actions = [
      {
        ...action,
        config: {
          ...action.config,
          headers: { authorization: 'secret' },
          body_template: { s: '{{ event.score }}' },
        },
      },
      { action_type: 'telegram', config: { chat_id: '1', message_template: 'Agent {{ event.agent_id }}' } },
      { ...action, config: { ...action.config, body_template: '{{ match.evidence[3].seen }}' } },
    ]
    const { body } = await ask('POST', '/v1/triggers/backtest', {
      trigger: document({ actions }),
      from_block: 0,
      render: true,
    })
    expect(body).toHaveProperty('first')
    expect(body.first[0].actions).toMatchObject([
      { action_type: 'rest', request: { body: '{"s":"10"}' } },
      { action_type: 'telegram', message: { text: 'Agent 7' } },
      { action_type: 'rest', error: expect.stringContaining('body_template') },
    ])
    expect(JSON.stringify(body)).not.toContain('secret')
  })

  test('tells how far it is, line by line, and at last the result', async () => {
    await fill(60)
    const asked = { trigger: document(), from_block: 0 }
    const { body } = await ask('POST', '/v1/triggers/backtest', asked, { accept: 'application/x-ndjson' })
    expect(Object.keys(body[0])).toEqual(['progress'])
    expect(body.at(-1).result).toMatchObject({ events: 59 })
    const late = await ask(
      'POST',
      '/v1/triggers/backtest',
      { trigger: document({ chain_id: 1 }) },
      { accept: 'application/x-ndjson' },
    )
    expect(late.body.at(-1)).toEqual({ error: 'Nothing of chain 1 has been indexed yet.' })
    expect((await ask('POST', '/v1/triggers/backtest', { trigger: document({ chain_id: 1 }) })).status).toBe(
      422,
    )
  })

  test('runs one at a time for a user, and ends with the client that asked', async () => {
    await fill(30)
    const request = () =>
      app.request('/v1/triggers/backtest', {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          accept: 'application/x-ndjson',
        },
        body: JSON.stringify({ trigger: document(), from_block: 0 }),
      })
    // A table lock keeps the first one from ending.
    let unlock = () => {}
    const locked = db.begin(async (tx) => {
      await tx`lock table events in access exclusive mode`
      await new Promise<void>((resolve) => {
        unlock = resolve
      })
    })
    await db`select 1`
    const first = await request()
    const second = await request()
    expect(second.status).toBe(429)
    await first.body?.cancel()
    unlock()
    await locked
    await expect
      .poll(async () => {
        const next = await request()
        await next.text()
        return next.status
      })
      .toBe(200)
  })

  test('counts what the trigger could not decide', async () => {
    await arrive([feedback(1, 10), feedback(2, 0)], 2)
    const { body } = await ask('POST', '/v1/triggers/backtest', {
      trigger: document({
        conditions: [{ condition_type: 'expression', value: '100 / int(event.score) > 5' }],
      }),
      from_block: 0,
    })
    expect(body.matches.total).toBe(1)
    expect(body.undecided).toEqual({
      total: 1,
      first: [{ event_id: `${chainId}-2-0`, reason: expect.any(String) }],
    })
  })

  test('refuses what it cannot run, with the path to it', async () => {
    const errors = async (body: unknown) =>
      ((await ask('POST', '/v1/triggers/backtest', body)).body.errors as Body[]).map(({ path }) => path)
    expect(await errors({})).toEqual([''])
    expect(await errors({ trigger: document({ registry: 'no' }) })).toContain('trigger.registry')
    expect(await errors({ trigger_id: 'no' })).toEqual(['trigger_id'])
    expect(await errors({ trigger: document(), from_block: 5, to_block: 4 })).toEqual(['to_block'])
    expect(await errors({ trigger: document(), from: 'no' })).toEqual(['from'])
    expect(await errors({ trigger: document(), limit: 1001 })).toEqual(['limit'])
  })
})
