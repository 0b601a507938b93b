import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { openHeaders } from '../../src/header-values.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { ensureUser, readEnabledTriggers } from '../../src/store/triggers.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const token = 'a-token-for-tests'
const log = createLog({ level: 'silent', format: 'json' }, 'test')

let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'api test' })
  app = createApp({ db, log, secrets: testSecrets, token, userId: await ensureUser(db, 'bootstrap') })
})

afterAll(async () => {
  await db?.end()
  await database?.drop()
})

beforeEach(async () => {
  await db`truncate triggers, events, event_status, matches, deliveries, action_results cascade`
})

type Answer = { status: number; headers: Headers; body: Record<string, never> & Body }
// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await app.request(path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  }
}

const action = (config: object = {}) => ({
  action_type: 'rest',
  config: { url: 'https://receiver.example/', ...config },
})
const document = {
  name: 'Low scores',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [{ condition_type: 'score_threshold', operator: '<', value: 70 }],
  actions: [action()],
}

async function create(fields: object = {}): Promise<Body> {
  const { status, body } = await ask('POST', '/v1/triggers', { ...document, ...fields })
  expect(status, JSON.stringify(body)).toBe(201)
  return body
}

/** The header values of an action as a worker gets to see them. In the database they are encrypted. */
async function storedHeaders(actionId: number): Promise<Record<string, string>> {
  const [row] = await db<{ user_id: string; config: { url: string; headers: Record<string, string> } }[]>`
    select t.user_id, a.config from trigger_actions a join triggers t on t.id = a.trigger_id where a.id = ${actionId}`
  if (row === undefined) throw new Error('no such action')
  const { url, headers } = row.config
  for (const value of Object.values(headers)) expect(value).toMatch(/^sealed:test:/)
  return openHeaders(testSecrets, { userId: row.user_id, url }, headers)
}

/** Reads a list to its end, page by page. */
async function readAll(path: string, limit: number): Promise<Body[]> {
  const rows: Body[] = []
  let cursor: string | null = null
  do {
    const separator = path.includes('?') ? '&' : '?'
    const next: string = cursor === null ? '' : `&cursor=${cursor}`
    const { status, body } = await ask('GET', `${path}${separator}limit=${limit}${next}`)
    expect(status, JSON.stringify(body)).toBe(200)
    expect(body.data.length).toBeLessThanOrEqual(limit)
    rows.push(...body.data)
    cursor = body.next_cursor
  } while (cursor !== null)
  return rows
}

describe('triggers', () => {
  test('a trigger is read back as it was written, with everything that was left out', async () => {
    const { status, headers, body } = await ask('POST', '/v1/triggers', document)
    expect(status).toBe(201)
    expect(headers.get('location')).toBe(`/v1/triggers/${body.id}`)
    expect(body).toEqual({
      id: expect.any(String),
      version: 1,
      name: 'Low scores',
      description: null,
      chain_id: 31337,
      registry: 'reputation',
      enabled: true,
      circuit_breaker: { failures: 5, open_for: '1m' },
      generation: 1,
      finality: 'latest',
      from_block: null,
      warm_up: false,
      cooldown: null,
      max_fires: null,
      is_stateful: false,
      paused_at: null,
      paused_reason: null,
      active_since: expect.stringMatching(/T\d\d:\d\d:\d\d\.000Z$/),
      created_at: expect.any(String),
      updated_at: expect.any(String),
      conditions: [
        { condition_type: 'score_threshold', field: 'score', operator: '<', value: '70', config: {} },
      ],
      actions: [
        {
          id: expect.any(Number),
          action_type: 'rest',
          destination_id: expect.any(Number),
          signing_secret: expect.stringMatching(/^whsec_/),
          priority: 1,
          alerts: false,
          finality: null,
          on_retraction: 'ignore',
          config: {
            url: 'https://receiver.example/',
            method: 'POST',
            headers: {},
            timeout_ms: 30_000,
            max_attempts: 8,
          },
        },
      ],
    })
    const [{ signing_secret: _, ...shownAgain }] = body.actions
    const read = await ask('GET', `/v1/triggers/${body.id}`)
    expect(read.body).toEqual({ ...body, actions: [shownAgain] })
  })

  test('values of every kind survive the database', async () => {
    const body_template = { text: 'x "{{ event.tag1 }}" 🦺', list: [1, 0.5, true, null, {}, []] }
    const conditions = [
      { condition_type: 'agent_id_equals', operator: 'in', value: ['1', '2'] },
      { condition_type: 'file_uri_exists', value: false },
      { condition_type: 'tag_equals', field: 'tag2', value: '[1, "\\u0041' },
    ]
    const made = await create({
      description: 'ü\n"',
      conditions,
      actions: [action({ body_template }), action({ body_template: null })],
    })
    expect(made.description).toBe('ü\n"')
    expect(made.conditions.map(({ value }: Body) => value)).toEqual([['1', '2'], false, '[1, "\\u0041'])
    expect(made.actions.map(({ config }: Body) => config.body_template)).toEqual([body_template, null])
  })

  test('what was read can be sent back unchanged, and is the next version of the same actions', async () => {
    const made = await create({
      actions: [action({ headers: { Authorization: 'Bearer secret' } }), action()],
    })
    const { status, body } = await ask('PUT', `/v1/triggers/${made.id}`, made)
    expect(status, JSON.stringify(body)).toBe(200)
    const shownOnce = made.actions.map(({ signing_secret: _, ...rest }: Body) => rest)
    expect(body).toEqual({ ...made, actions: shownOnce, version: 2, updated_at: body.updated_at })
    expect(await storedHeaders(made.actions[0].id)).toEqual({ Authorization: 'Bearer secret' })
  })

  test('header values are never shown, can be kept with ***, changed, and removed', async () => {
    const made = await create({
      actions: [action({ headers: { 'X-Key': 'hunter2', 'X-Other': 'hunter3' } })],
    })
    expect(JSON.stringify(made)).not.toContain('hunter')
    expect(made.actions[0].config.headers).toEqual({ 'X-Key': '***', 'X-Other': '***' })
    expect(JSON.stringify((await ask('GET', '/v1/triggers')).body)).not.toContain('hunter')

    const headers = { 'x-key': '***', 'X-New': 'n' }
    const replaced = await ask('PUT', `/v1/triggers/${made.id}`, {
      ...document,
      actions: [action({ headers })],
    })
    expect(replaced.status).toBe(200)
    expect(await storedHeaders(made.actions[0].id)).toEqual({ 'x-key': 'hunter2', 'X-New': 'n' })

    const invented = await ask('PUT', `/v1/triggers/${made.id}`, {
      ...document,
      actions: [action({ headers: { 'X-Third': '***' } })],
    })
    expect(invented.status).toBe(400)
    expect(invented.body.errors[0].path).toBe('actions[0].config.headers.X-Third')
    const created = await ask('POST', '/v1/triggers', {
      ...document,
      actions: [action({ headers: { A: '***' } })],
    })
    expect(created.status).toBe(400)
  })

  test('actions can be reordered, added and removed; what stays keeps its id', async () => {
    const made = await create({ actions: [action(), action({ method: 'PUT' }), action({ method: 'PATCH' })] })
    const [first, , third] = made.actions
    const { body } = await ask('PUT', `/v1/triggers/${made.id}`, {
      ...made,
      actions: [third, action(), first],
    })
    expect(body.actions.map(({ config }: Body) => config.method)).toEqual(['PATCH', 'POST', 'POST'])
    expect(body.actions[0].id).toBe(third.id)
    expect(body.actions[2].id).toBe(first.id)

    const other = await create()
    const stolen = await ask('PUT', `/v1/triggers/${made.id}`, {
      ...document,
      actions: [{ ...action(), id: other.actions[0].id }],
    })
    expect(stolen.status).toBe(400)
    expect(stolen.body.errors[0].path).toBe('actions[0].id')
    expect((await ask('GET', `/v1/triggers/${other.id}`)).body).toEqual(other)
  })

  test('active_since moves only when a disabled trigger is enabled', async () => {
    const made = await create()
    await db`update triggers set active_since = '2026-01-01T00:00:00Z' where id = ${made.id}`
    const put = async (fields: object) =>
      (await ask('PUT', `/v1/triggers/${made.id}`, { ...document, ...fields })).body
    const long = '2026-01-01T00:00:00.000Z'
    expect((await put({ name: 'Other' })).active_since).toBe(long)
    expect((await put({ enabled: false })).active_since).toBe(long)
    const enabled = await put({ enabled: true })
    expect(enabled.active_since).not.toBe(long)
    expect(enabled.active_since).toMatch(/\.000Z$/)
    expect(enabled.version).toBe(4)
  })

  test('writers that come at the same time leave one whole document', async () => {
    const made = await create()
    const writers = Array.from({ length: 8 }, (_, n) =>
      ask('PUT', `/v1/triggers/${made.id}`, {
        ...document,
        name: `writer ${n}`,
        conditions: Array(n).fill(document.conditions[0]),
        actions: Array(n + 1).fill(action()),
      }),
    )
    expect((await Promise.all(writers)).map(({ status }) => status)).toEqual(Array(8).fill(200))
    const { body } = await ask('GET', `/v1/triggers/${made.id}`)
    const n = Number(body.name.split(' ')[1])
    expect([body.version, body.conditions.length, body.actions.length]).toEqual([9, n, n + 1])
  })

  test('a refused document changes nothing', async () => {
    const made = await create()
    const { status } = await ask('PUT', `/v1/triggers/${made.id}`, { ...document, name: '' })
    expect(status).toBe(400)
    expect((await ask('GET', `/v1/triggers/${made.id}`)).body).toEqual(made)
  })

  test('a deleted trigger is gone, and its deliveries are still to be read', async () => {
    const made = await create()
    const { delivery } = await insertDelivery(made)
    expect((await ask('DELETE', `/v1/triggers/${made.id}`)).status).toBe(204)
    for (const method of ['GET', 'DELETE'])
      expect((await ask(method, `/v1/triggers/${made.id}`)).status).toBe(404)
    expect((await ask('PUT', `/v1/triggers/${made.id}`, document)).status).toBe(404)
    const { body } = await ask('GET', `/v1/deliveries/${delivery}`)
    expect(body).toMatchObject({ id: delivery, trigger_id: null, action_id: null })
  })

  test('the matcher reads the enabled triggers of its chain with their conditions in order', async () => {
    const conditions = [
      { condition_type: 'tag_equals', field: 'tag2', value: 'b' },
      { condition_type: 'agent_id_equals', value: '12345678901234567890' },
    ]
    const made = await create({ conditions })
    const bare = await create({ conditions: [] })
    await create({ enabled: false })
    await create({ chain_id: 1 })
    const rows = await readEnabledTriggers(db, 31337)
    expect(rows.map(({ id }) => id).sort()).toEqual([made.id, bare.id].sort())
    expect(rows.find(({ id }) => id === bare.id)?.conditions).toEqual([])
    expect(rows.find(({ id }) => id === made.id)).toEqual({
      id: made.id,
      version: 1,
      generation: 1,
      chain_id: 31337,
      registry: 'reputation',
      active_since: new Date(made.active_since),
      from_block: null,
      warm_up: false,
      cooldown: null,
      max_fires: null,
      conditions: [
        { position: 0, condition_type: 'tag_equals', field: 'tag2', operator: '=', value: 'b', config: {} },
        {
          position: 1,
          condition_type: 'agent_id_equals',
          field: 'agent_id',
          operator: '=',
          value: '12345678901234567890',
          config: {},
        },
      ],
    })
  })

  test('lists are narrowed, and read page by page without loss or repetition', async () => {
    for (let n = 0; n < 7; n += 1)
      await create({ name: `t${n}`, enabled: n % 2 === 0, chain_id: n < 5 ? 31337 : 1 })
    await db`update triggers set created_at = '2026-01-01T00:00:00.123456Z' where name in ('t1', 't2', 't3')`
    const all = await readAll('/v1/triggers', 2)
    expect(all.map(({ name }) => name).sort()).toEqual(['t0', 't1', 't2', 't3', 't4', 't5', 't6'])
    expect(all.slice(0, 4).map(({ name }) => name)).toEqual(['t6', 't5', 't4', 't0'])
    expect(await readAll('/v1/triggers?enabled=false', 2)).toHaveLength(3)
    expect(await readAll('/v1/triggers?chain_id=1&registry=reputation', 1)).toHaveLength(2)
    expect(await readAll('/v1/triggers?registry=identity', 1)).toHaveLength(0)
  })
})

async function insertDelivery(trigger: Body, fields: { occurrence?: string; state?: string } = {}) {
  const { occurrence = 'o', state = 'pending' } = fields
  const [match] = await db`
    insert into matches (trigger_id, trigger_version, chain_id, occurrence, event_id, block_number, block_time, evidence)
    values (${trigger.id}, 1, 31337, ${occurrence}, 'e', 1, now(), ${db.json([{ position: 0, holds: true }])}) returning id
  `
  const [delivery] = await db`
    insert into deliveries (match_id, trigger_id, action_id, destination_id, occurrence, event_id, block_time, action_type, priority, state)
    values (${match?.id}, ${trigger.id}, ${trigger.actions[0].id}, ${trigger.actions[0].destination_id}, ${occurrence}, 'e', now(), 'rest', 1, ${state}) returning id
  `
  return { match: Number(match?.id), delivery: String(delivery?.id) }
}

describe('what happened', () => {
  const at = (n: number, fields: Partial<RegistryEvent> = {}) =>
    sampleEvent(fields.event_type ?? 'NewFeedback', {
      id: `e${n}`,
      occurrence: `o${n}`,
      log_index: n,
      agent_id: String(n % 3),
      ...fields,
    })

  test('events are narrowed and paged, on one chain and across all', async () => {
    const events = Array.from({ length: 9 }, (_, n) => at(n, n % 2 === 0 ? {} : { chain_id: 1 }))
    events.push(at(9, { event_type: 'Registered' }))
    await insertEvents(db, events, { chainId: 31337, lastBlock: 12 })
    await insertEvents(db, [], { chainId: 1, lastBlock: 12 })
    const idsOf = async (path: string) => (await readAll(path, 2)).map(({ id }) => id)
    expect(await idsOf('/v1/events')).toEqual(['e9', 'e8', 'e6', 'e4', 'e2', 'e0', 'e7', 'e5', 'e3', 'e1'])
    expect(await idsOf('/v1/events?chain_id=1')).toEqual(['e7', 'e5', 'e3', 'e1'])
    expect(await idsOf('/v1/events?agent_id=0')).toEqual(['e9', 'e6', 'e0', 'e3'])
    expect(await idsOf('/v1/events?agent_id=0&chain_id=31337&registry=reputation')).toEqual(['e6', 'e0'])
    expect(await idsOf('/v1/events?event_type=Registered')).toEqual(['e9'])
    expect(await idsOf(`/v1/events?agent_id=${'9'.repeat(78)}`)).toEqual([])
  })

  test('an event is shown with its decoded fields, and says when its block left the chain', async () => {
    const event = at(0)
    await insertEvents(db, [event], { chainId: 31337, lastBlock: 12 })
    const read = async () => (await ask('GET', '/v1/events?status=all')).body.data[0]
    const { seq: _, ...fields } = event
    expect(await read()).toEqual({
      ...fields,
      seq: expect.any(Number),
      block_time: '2026-02-01T00:00:00.000Z',
      retracted: false,
    })
    await setEventStatus(db, event, 'retracted')
    expect((await read()).retracted).toBe(true)
    await setEventStatus(db, event, 'reinstated')
    expect((await read()).retracted).toBe(false)
  })

  test('matches, deliveries and results are narrowed and paged', async () => {
    const [one, other] = [await create(), await create()]
    const made: Awaited<ReturnType<typeof insertDelivery>>[] = []
    for (let n = 0; n < 5; n += 1) {
      made.push(
        await insertDelivery(n < 3 ? one : other, {
          occurrence: `o${n}`,
          state: n === 0 ? 'failed' : 'pending',
        }),
      )
    }
    await db`update deliveries set created_at = '2026-01-01T00:00:00.123456Z'`
    for (const [n, { delivery }] of made.entries()) {
      await db`
        insert into action_results (delivery_id, job_id, trigger_id, event_id, action_type, status, executed_at, duration_ms, retry_count, response_data)
        select ${delivery}, 'j', ${n < 3 ? one.id : other.id}, 'e', 'rest', ${n === 0 ? 'failed' : 'success'}, '2026-01-01T00:00:00.123456Z', 5, retry, '{"status": 200}'
        from generate_series(0, 1) as retry
      `
    }
    const matches = await readAll('/v1/matches', 2)
    expect(matches.map(({ id }) => id)).toEqual(made.map(({ match }) => match).reverse())
    expect(matches[0].evidence).toEqual([{ position: 0, holds: true }])
    expect(await readAll(`/v1/matches?trigger_id=${one.id}`, 2)).toHaveLength(3)

    const deliveries = await readAll('/v1/deliveries', 2)
    expect(new Set(deliveries.map(({ id }) => id))).toEqual(new Set(made.map(({ delivery }) => delivery)))
    expect(await readAll(`/v1/deliveries?trigger_id=${one.id}&state=pending`, 1)).toHaveLength(2)

    expect(new Set((await readAll('/v1/results', 3)).map(({ id }) => id)).size).toBe(10)
    expect(await readAll('/v1/results?status=failed', 1)).toHaveLength(2)
    expect(await readAll(`/v1/results?trigger_id=${other.id}`, 1)).toHaveLength(4)
    expect(await readAll(`/v1/results?delivery_id=${made[0]?.delivery}`, 1)).toHaveLength(2)

    const { body } = await ask('GET', `/v1/deliveries/${made[0]?.delivery}`)
    expect(body).toMatchObject({
      id: made[0]?.delivery,
      trigger_id: one.id,
      action_id: one.actions[0].id,
      state: 'failed',
    })
    expect(body.results.map(({ retry_count }: Body) => retry_count)).toEqual([0, 1])
    expect(body.results[0].response_data).toEqual({ status: 200 })
  })
})

describe('the dead-letter list', () => {
  /** Seven deliveries of two triggers in several states, by name. Those that have ended did so on the given day of January. */
  async function insertDeadLetters() {
    const one = await create({ actions: [action({ url: 'https://a.example/hook' })] })
    const other = await create({ actions: [action({ url: 'https://b.example:8443/hook' })] })
    const rows = [
      ['failed-1', one, 'failed', 5],
      ['failed-2', one, 'failed', 20],
      ['failed-3', other, 'failed', 20],
      ['unknown-1', other, 'unknown', 10],
      ['cancelled-1', one, 'cancelled', 20],
      ['succeeded-1', one, 'succeeded', 20],
      ['pending-1', one, 'pending', undefined],
    ] as const
    const ids: Record<string, string> = {}
    for (const [name, trigger, state, day] of rows) {
      const { delivery } = await insertDelivery(trigger, { occurrence: name, state })
      const finishedAt = day === undefined ? null : new Date(Date.UTC(2026, 0, day))
      await db`update deliveries set finished_at = ${finishedAt}, created_at = '2026-01-02T00:00:00Z', attempts = 8,
                 due_at = '2026-01-02T00:00:00Z', error_message = 'no' where id = ${delivery}`
      ids[name] = delivery
    }
    return { one, other, ids }
  }
  const namesOf = async (query: string) =>
    (await readAll(`/v1/deliveries?${query}`, 2)).map(({ occurrence }) => occurrence).sort()
  const inState = async (state: string) =>
    (await db`select occurrence from deliveries where state = ${state} order by occurrence`).map(
      ({ occurrence }) => occurrence,
    )

  test('deliveries are narrowed by state, trigger, destination and the time at which they ended', async () => {
    const { other } = await insertDeadLetters()
    expect(await namesOf('state=failed')).toEqual(['failed-1', 'failed-2', 'failed-3'])
    expect(await namesOf('destination=b.example:8443')).toEqual(['failed-3', 'unknown-1'])
    expect(await namesOf('destination=B.Example:8443&state=unknown')).toEqual(['unknown-1'])
    expect(await namesOf('destination=b.example')).toEqual([])
    expect(await namesOf('state=failed&since=2026-01-20')).toEqual(['failed-2', 'failed-3'])
    expect(await namesOf('since=2026-01-10T00:00:00.001Z')).toEqual([
      'cancelled-1',
      'failed-2',
      'failed-3',
      'succeeded-1',
    ])
    expect(await namesOf(`since=2026-01-10&trigger_id=${other.id}`)).toEqual(['failed-3', 'unknown-1'])
    // What has not ended counts from when it was made.
    expect(await namesOf('since=2026-01-02&state=pending')).toEqual(['pending-1'])
    expect(await namesOf('since=2026-01-03&state=pending')).toEqual([])
    const [shown] = (await ask('GET', '/v1/deliveries?state=unknown')).body.data
    expect(shown.destination).toBe('b.example:8443')
  })

  test('a destination is the host of the URL as a client would connect to it', async () => {
    const urls = [
      'https://receiver.example',
      'HTTPS://Receiver.Example:443/x',
      'http://receiver.example:80?x',
      'http://receiver.example:443/',
      'https://receiver.example:80/',
      'https://receiver.example:4430/a:443',
      'https://receiver.example#x',
      'https:receiver.example/x',
      'https:\\\\receiver.example\\x',
      'https://[::1]:8004?x',
      'http://a.b:8080/c?d=https://e',
    ]
    const made = await create({ actions: urls.map((url) => action({ url })) })
    const rows =
      await db`select destination from trigger_actions where trigger_id = ${made.id} order by position`
    expect(rows.map(({ destination }) => destination)).toEqual(urls.map((url) => new URL(url).host))

    const changed = { ...made, actions: [action({ url: 'https://new.example:1/' })] }
    expect((await ask('PUT', `/v1/triggers/${made.id}`, changed)).status).toBe(200)
    expect(await db`select destination from trigger_actions`).toEqual([{ destination: 'new.example:1' }])
  })

  test('a retried delivery is pending, due now, and wakes the relay; attempts go on counting', async () => {
    const { ids } = await insertDeadLetters()
    let wakeUps = 0
    const { unlisten } = await db.listen('delivery_pending', () => {
      wakeUps += 1
    })
    for (const name of ['failed-1', 'unknown-1', 'cancelled-1']) {
      const before = Date.now()
      const { status, body } = await ask('POST', `/v1/deliveries/${ids[name]}/retry`)
      expect(status, JSON.stringify(body)).toBe(200)
      expect(body).toMatchObject({ id: ids[name], state: 'pending', attempts: 8, finished_at: null })
      expect(Math.abs(Date.parse(body.due_at) - before)).toBeLessThan(5_000)
      const { results: _, ...read } = (await ask('GET', `/v1/deliveries/${ids[name]}`)).body
      expect(read).toEqual(body)
    }
    await until('the relay was woken each time', () => wakeUps === 3)
    await ask('POST', '/v1/deliveries/retry', { state: 'failed' })
    await until('the relay was woken by the bulk', () => wakeUps === 4)
    await unlisten()
  })

  test('a cancelled delivery says so', async () => {
    const { ids } = await insertDeadLetters()
    const { status, body } = await ask('POST', `/v1/deliveries/${ids['pending-1']}/cancel`)
    expect([status, body.state, body.error_message]).toEqual([200, 'cancelled', 'cancelled on request'])
    expect(body.finished_at).not.toBeNull()
  })

  test.each([
    ['retry', 'pending'],
    ['retry', 'enqueued'],
    ['retry', 'running'],
    ['retry', 'succeeded'],
    ['cancel', 'running'],
    ['cancel', 'succeeded'],
    ['cancel', 'failed'],
    ['cancel', 'unknown'],
    ['cancel', 'cancelled'],
  ])('to %s a delivery that is %s is a 409, and changes nothing', async (verb, state) => {
    const { delivery } = await insertDelivery(await create(), { state })
    const read = async () => (await ask('GET', `/v1/deliveries/${delivery}`)).body
    const before = await read()
    const { status, body } = await ask('POST', `/v1/deliveries/${delivery}/${verb}`)
    expect(status).toBe(409)
    expect(body).toMatchObject({
      title: 'Conflict',
      detail: expect.stringContaining(`is ${state}: only one`),
    })
    expect(await read()).toEqual(before)
  })

  test('a delivery whose action was deleted cannot be retried', async () => {
    const { one, ids } = await insertDeadLetters()
    await ask('DELETE', `/v1/triggers/${one.id}`)
    const { status, body } = await ask('POST', `/v1/deliveries/${ids['failed-1']}/retry`)
    expect([status, body.detail]).toEqual([
      409,
      'The action of this delivery was deleted: there is nothing left to run.',
    ])
    expect((await ask('POST', '/v1/deliveries/retry', { since: '2026-01-01' })).body).toEqual({ retried: 2 })
  })

  test.each(['nothing', '00000000-0000-0000-0000-000000000000', '%00'])(
    'to retry or cancel the delivery %s is a 404',
    async (id) => {
      for (const verb of ['retry', 'cancel'])
        expect((await ask('POST', `/v1/deliveries/${id}/${verb}`)).status).toBe(404)
    },
  )

  test.each<[object, string[]]>([
    [{ state: 'failed' }, ['failed-1', 'failed-2', 'failed-3']],
    [{ state: 'unknown' }, ['unknown-1']],
    [{ since: '2026-01-20' }, ['failed-2', 'failed-3']],
    [{ since: '2026-01-06T00:00:00+01:00' }, ['failed-2', 'failed-3', 'unknown-1']],
    [{ destination: 'a.example' }, ['failed-1', 'failed-2']],
    [{ destination: 'b.example:8443', state: 'failed' }, ['failed-3']],
    [{ destination: 'c.example' }, []],
  ])('retry of all with %j', async (filter, names) => {
    await insertDeadLetters()
    const { status, body } = await ask('POST', '/v1/deliveries/retry', filter)
    expect([status, body]).toEqual([200, { retried: names.length }])
    expect(await inState('pending')).toEqual([...names, 'pending-1'].sort())
  })

  test('retry of all of one trigger', async () => {
    const { other } = await insertDeadLetters()
    const { body } = await ask('POST', '/v1/deliveries/retry', { trigger_id: other.id })
    expect(body).toEqual({ retried: 2 })
    expect(await inState('pending')).toEqual(['failed-3', 'pending-1', 'unknown-1'])
  })

  const known = 'state, trigger_id, destination, since'
  test.each<[unknown, string, string]>([
    [{}, '', `expected at least one of ${known}`],
    [[], '', 'expected an object'],
    [{ until: '2026-01-01' }, 'until', `unknown; known are ${known}`],
    [{ state: 'cancelled' }, 'state', 'expected one of failed, unknown'],
    [{ since: 'yesterday' }, 'since', expect.stringContaining('expected a time such as ')],
    [{ since: 5 }, 'since', expect.stringContaining('expected a time such as ')],
    [
      { destination: 'https://a.example/' },
      'destination',
      'expected a host, such as example.com or example.com:8443',
    ],
    [{ trigger_id: '\0' }, 'trigger_id', 'expected an id without NUL characters'],
  ])('retry of all with %j is a 400, and retries nothing', async (filter, path, message) => {
    await insertDeadLetters()
    const { status, body } = await ask('POST', '/v1/deliveries/retry', filter)
    expect(status, JSON.stringify(body)).toBe(400)
    expect(body.errors).toContainEqual({ path, message })
    expect(await inState('pending')).toEqual(['pending-1'])
  })
})

describe('what is refused', () => {
  const problem = (status: number, title: string) => ({
    type: expect.stringMatching(/^\/problems\/[a-z-]+$/),
    title,
    status,
    detail: expect.any(String),
  })

  test('a wrong document is a 400 that lists each field', async () => {
    const { status, headers, body } = await ask('POST', '/v1/triggers', {
      ...document,
      name: '',
      conditions: [{ condition_type: 'score_threshold', operator: '~', value: 1 }],
      actions: [action({ url: 'x' })],
    })
    expect(status).toBe(400)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(body).toEqual({
      ...problem(400, 'Bad Request'),
      request_id: headers.get('x-request-id'),
      detail: 'The trigger has 3 problems.',
      errors: [
        { path: 'name', message: 'expected a text of 1 to 200 characters; found ""' },
        { path: 'actions[0].config.url', message: 'expected a URL that begins with http:// or https://' },
        {
          path: 'conditions[0].operator',
          message: 'expected one of <, <=, >, >=, =, != for score_threshold; found "~"',
        },
      ],
    })
  })

  test.each([
    ['GET', '/v1/triggers'],
    ['POST', '/v1/triggers'],
    ['GET', '/v1/nothing'],
    ['PATCH', '/v1/events'],
  ])('%s %s without the token is a 401', async (method, path) => {
    for (const authorization of [
      '',
      'Bearer',
      'Bearer x',
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
    ]) {
      const { status, headers, body } = await ask(method, path, undefined, { authorization })
      expect(status, authorization).toBe(401)
      expect(headers.get('www-authenticate')).toBe('Bearer')
      expect(body).toMatchObject({ ...problem(401, 'Unauthorized'), errors: [] })
    }
  })

  test.each([
    ['/v1/nothing'],
    ['/v1/triggers/'],
    ['/v1/triggers/nothing'],
    ['/v1/triggers/%00'],
    ['/v1/triggers/%ff'],
    ['/v1/triggers/%'],
    ['/v1/deliveries/nothing'],
    ['/v1/deliveries/%00'],
    ['/v1/deliveries/00000000-0000-0000-0000-000000000000'],
  ])('GET %s is a 404', async (path) => {
    const { status, body } = await ask('GET', path)
    expect(status).toBe(404)
    expect(body).toMatchObject(problem(404, 'Not Found'))
  })

  test('a method that a path does not have is a 405 that says which it has', async () => {
    const { status, headers } = await ask('PATCH', '/v1/triggers/x')
    expect(status).toBe(405)
    expect(headers.get('allow')).toBe('GET, PUT, DELETE')
    expect((await ask('POST', '/v1/events', {})).headers.get('allow')).toBe('GET')
  })

  test.each([undefined, 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx'])(
    'a body that says to be %s is a 415',
    async (type) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(type === undefined ? {} : { 'content-type': type }),
      }
      const body = new TextEncoder().encode(JSON.stringify(document))
      const { status } = await app.request('/v1/triggers', { method: 'POST', headers, body })
      expect(status).toBe(415)
    },
  )

  test('JSON that is none is a 400 that says where', async () => {
    const { status, body } = await ask('POST', '/v1/triggers', '{\n  "name": "x",\n}')
    expect(status).toBe(400)
    expect(body.detail).toBe(
      'The body is not valid JSON: line 3, column 1: expected a key in double quotes; found "}".',
    )
    expect((await ask('POST', '/v1/triggers', '')).status).toBe(400)
    const broken = await app.request('/v1/triggers', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: new Uint8Array([0x22, 0xff, 0x22]),
    })
    expect([broken.status, ((await broken.json()) as Body).detail]).toEqual([
      400,
      'The body is not valid UTF-8.',
    ])
  })

  test('a body of more than 256 KiB is a 413, and one of nearly as much is read', async () => {
    const padded = (bytes: number) => JSON.stringify(document).padEnd(bytes, ' ')
    expect((await ask('POST', '/v1/triggers', padded(256 * 1024))).status).toBe(201)
    const { status, body } = await ask('POST', '/v1/triggers', padded(256 * 1024 + 1))
    expect(status).toBe(413)
    expect(body.detail).toBe('The body is larger than 262144 bytes.')
  })

  test.each([
    ['/v1/triggers?chain=1', 'chain', 'unknown; known are chain_id, registry, enabled, limit, cursor'],
    ['/v1/triggers?limit=0', 'limit', 'expected a whole number from 1 to 500'],
    ['/v1/triggers?limit=501', 'limit', 'expected a whole number from 1 to 500'],
    ['/v1/triggers?limit=1&limit=2', 'limit', 'expected a whole number from 1 to 500, once'],
    ['/v1/triggers?enabled=yes', 'enabled', 'expected one of true, false'],
    ['/v1/events?chain_id=99999999999999999999', 'chain_id', 'expected a chain id'],
    ['/v1/events?agent_id=-1', 'agent_id', 'expected a whole number from 0'],
    ['/v1/events?event_type=x', 'event_type', expect.stringMatching(/^expected one of Registered, /)],
    ['/v1/events?cursor=x', 'cursor', 'expected the next_cursor of the page before'],
    ['/v1/matches?trigger_id=%00', 'trigger_id', 'expected an id without NUL characters'],
    ['/v1/deliveries?state=done', 'state', expect.stringMatching(/^expected one of pending, /)],
    [
      '/v1/deliveries?since=today',
      'since',
      'expected a time such as 2026-11-20T08:30:00Z, or a day such as 2026-11-20',
    ],
    [
      '/v1/deliveries?destination=https://x/',
      'destination',
      'expected a host, such as example.com or example.com:8443',
    ],
    ['/v1/results?delivery_id=x', 'delivery_id', 'expected a UUID'],
  ])('GET %s is a 400 that names the parameter', async (path, name, message) => {
    const { status, body } = await ask('GET', path)
    expect(status).toBe(400)
    expect(body.errors).toEqual([{ path: name, message }])
  })

  test('a cursor of another list, or one made by hand, is a 400', async () => {
    const cursors = [
      [],
      ['x'],
      ['1', '2'],
      [1],
      ['9'.repeat(30)],
      ['2026-02-31 00:00:00+00', 'x'],
      ['2026-99-99 00:00:00+00', token],
      {},
      5,
    ]
    for (const value of cursors) {
      const cursor = Buffer.from(JSON.stringify(value)).toString('base64url')
      for (const path of ['triggers', 'events', 'matches', 'deliveries', 'results']) {
        const { status } = await ask('GET', `/v1/${path}?cursor=${cursor}`)
        // Any two texts of the right form are a place in a list of triggers, if the first is a time.
        expect([400, 200], `${path} ${JSON.stringify(value)}`).toContain(status)
        if (!Array.isArray(value) || value.length !== 2) expect(status).toBe(400)
      }
    }
  })

  test('no input whatever makes it fail', async () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '\0',
        '\ud800',
        '%00',
        '%ff',
        "' or 1=1 --",
        '{{',
        '9'.repeat(400),
        '1e999',
        '-0',
        '__proto__',
      ),
    )
    const anything = fc.jsonValue({ stringUnit: 'binary' })
    const body = fc.oneof(
      anything,
      fc
        .record({
          key: fc.constantFrom(
            'name',
            'description',
            'chain_id',
            'registry',
            'enabled',
            'conditions',
            'actions',
            '__proto__',
            'x',
          ),
          value: fc.oneof(
            anything,
            nasty,
            fc.array(
              fc.record({
                condition_type: nasty,
                field: nasty,
                operator: nasty,
                value: fc.oneof(anything, nasty),
              }),
            ),
            fc.array(
              fc.record({
                action_type: fc.constant('rest'),
                config: fc.oneof(
                  anything,
                  fc.record({
                    url: fc.constant('http://x/'),
                    body_template: fc.oneof(anything, nasty),
                    headers: fc.dictionary(nasty, nasty),
                  }),
                ),
              }),
              { minLength: 1 },
            ),
          ),
        })
        .map(({ key, value }) => ({ ...document, [key]: value })),
    )
    const stored = await create()
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(['POST', '/v1/triggers'], ['PUT', `/v1/triggers/${stored.id}`]),
        body,
        async ([method = '', path = ''], input) => {
          const { status, body: answer } = await ask(method, path, JSON.stringify(input) ?? 'null')
          expect(status, JSON.stringify(answer)).toBeLessThan(500)
        },
      ),
      { numRuns: 300 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('triggers', 'events', 'matches', 'deliveries', 'results'),
        fc.constantFrom(
          'chain_id',
          'registry',
          'enabled',
          'agent_id',
          'event_type',
          'trigger_id',
          'state',
          'delivery_id',
          'destination',
          'since',
          'status',
          'limit',
          'cursor',
        ),
        nasty,
        async (list, name, value) => {
          const query = new URLSearchParams({ [name]: value })
          expect((await ask('GET', `/v1/${list}?${query}`)).status).toBeLessThan(500)
          expect(
            (await ask('GET', `/v1/${list}/${encodeURIComponent(value.toWellFormed())}`)).status,
          ).toBeLessThan(500)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('health and description', () => {
  test('probes and the description need no token', async () => {
    const open = async (path: string): Promise<[number, Body]> => {
      const response = await app.request(path)
      return [response.status, await response.json()]
    }
    expect(await open('/healthz')).toEqual([200, { status: 'ok' }])
    expect(await open('/readyz')).toEqual([200, { status: 'ready' }])
    const [status, description] = await open('/openapi.json')
    expect(status).toBe(200)
    expect(Object.keys(description.paths).sort()).toEqual([
      '/healthz',
      '/mcp',
      '/problems/{name}',
      '/readyz',
      '/v1/admin/audit',
      '/v1/admin/users',
      '/v1/admin/users/{id}',
      '/v1/agents',
      '/v1/agents/{chain}/{agent}',
      '/v1/alerts',
      '/v1/audit',
      '/v1/auth/change-password',
      '/v1/auth/login',
      '/v1/auth/logout',
      '/v1/auth/refresh',
      '/v1/auth/register',
      '/v1/auth/wallet/login',
      '/v1/auth/wallet/nonce',
      '/v1/chains',
      '/v1/deliveries',
      '/v1/deliveries/retry',
      '/v1/deliveries/{id}',
      '/v1/deliveries/{id}/cancel',
      '/v1/deliveries/{id}/retry',
      '/v1/destinations',
      '/v1/destinations/{id}',
      '/v1/destinations/{id}/reset',
      '/v1/destinations/{id}/secret/rotate',
      '/v1/events',
      '/v1/keys',
      '/v1/keys/{id}',
      '/v1/keys/{id}/rotate',
      '/v1/matches',
      '/v1/mcp-tokens',
      '/v1/mcp-tokens/{chain}/{agent}',
      '/v1/me',
      '/v1/me/wallets',
      '/v1/me/wallets/{address}',
      '/v1/results',
      '/v1/stats',
      '/v1/stream',
      '/v1/telegram/chats',
      '/v1/telegram/chats/{id}',
      '/v1/telegram/link-codes',
      '/v1/templates/preview',
      '/v1/triggers',
      '/v1/triggers/backtest',
      '/v1/triggers/{id}',
      '/v1/triggers/{id}/actions',
      '/v1/triggers/{id}/actions/{action}',
      '/v1/triggers/{id}/conditions',
      '/v1/triggers/{id}/conditions/{position}',
      '/v1/triggers/{id}/decisions',
      '/v1/triggers/{id}/disable',
      '/v1/triggers/{id}/duplicate',
      '/v1/triggers/{id}/enable',
      '/v1/triggers/{id}/state',
      '/v1/triggers/{id}/test',
    ])
    // Every reference leads somewhere.
    for (const [, name] of JSON.stringify(description).matchAll(/#\/components\/schemas\/(\w+)/g)) {
      expect(description.components.schemas, name).toHaveProperty(name ?? '')
    }
  })

  test('a database without migrations is not ready, and says what it lacks', async () => {
    const empty = await createTestDatabase()
    const emptyDb = openDatabase(empty.url, { name: 'api test' })
    try {
      const response = await createApp({
        db: emptyDb,
        log,
        secrets: testSecrets,
        token,
        userId: 'x',
      }).request('/readyz')
      expect(response.status).toBe(503)
      expect(((await response.json()) as Body).detail).toMatch(
        /lacks migrations: 0001_events, .*Run: tocsin migrate apply/,
      )
    } finally {
      await emptyDb.end()
      await empty.drop()
    }
  })

  test('without a database it lives, is not ready, and answers 503 without a secret', async () => {
    const nowhere = openDatabase('postgres://tocsin:hunter2@127.0.0.1:1/none', { name: 'api test' })
    const lost = createApp({ db: nowhere, log, secrets: testSecrets, token, userId: 'x' })
    expect((await lost.request('/healthz')).status).toBe(200)
    expect((await lost.request('/readyz')).status).toBe(503)
    const response = await lost.request('/v1/triggers', { headers: { authorization: `Bearer ${token}` } })
    expect(response.status).toBe(503)
    expect(await response.text()).not.toContain('hunter2')
    await nowhere.end()
  })
})
