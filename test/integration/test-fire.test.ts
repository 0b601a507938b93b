import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { sampleEvent } from '../../src/sample-events.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { insertEvents } from '../support/insert-events.ts'
import { startReceiver } from '../support/receiver.ts'
import { runCli } from '../support/run-cli.ts'
import { testSecretKeys, testSecrets } from '../support/secrets.ts'
import { type RunningRole, startRole } from '../support/start-role.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const token = 'a-token-for-tests'
const log = createLog({ level: 'silent', format: 'json' }, 'test')

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any

let home: string
let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>
let receiver: Awaited<ReturnType<typeof startReceiver>>

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'tocsin-test-fire-'))
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  receiver = await startReceiver()
  app = createApp({ db, log, secrets: testSecrets, token, userId: await ensureUser(db, 'bootstrap') })
})

afterAll(async () => {
  await receiver?.close()
  await db?.end()
  await database?.drop()
  rmSync(home, { recursive: true, force: true })
})

beforeEach(async () => {
  await db`truncate triggers, events, matches, deliveries, destinations, action_results cascade`
  receiver.answerWith((_, response) => void response.writeHead(204).end())
})

async function post(path: string, body?: unknown): Promise<{ status: number; body: Body }> {
  const response = await app.request(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: await response.json() }
}

const rest = (config: object = {}) => ({
  action_type: 'rest',
  config: { url: `${receiver.url}/hook`, ...config },
})

async function createTrigger(fields: object = {}): Promise<Body> {
  const { status, body } = await post('/v1/triggers', {
    name: 'Low scores',
    chain_id: 31337,
    registry: 'reputation',
    conditions: [{ condition_type: 'score_threshold', operator: '<', value: 50 }],
    actions: [rest()],
    ...fields,
  })
  expect(status, JSON.stringify(body)).toBe(201)
  return body
}

describe('a test of a trigger', () => {
  let worker: RunningRole

  beforeAll(async () => {
    worker = await startRole('worker', {
      DATABASE_URL: database.url,
      TOCSIN_HOME: home,
      TOCSIN_SECRET_KEYS: testSecretKeys,
      TOCSIN_LOG_LEVEL: 'warn',
      OUTBOUND_ALLOW: '127.0.0.0/8',
    })
  })
  afterAll(() => worker?.stop())

  test('goes the whole way, is marked, and says how it went, also if the trigger is disabled', async () => {
    const trigger = await createTrigger({ enabled: false })
    const { status, body } = await post(`/v1/triggers/${trigger.id}/test?wait=20`)
    expect(status, JSON.stringify(body)).toBe(200)
    expect(body.deliveries).toMatchObject([
      {
        kind: 'test',
        match_id: null,
        state: 'succeeded',
        trigger_id: trigger.id,
        action_id: trigger.actions[0].id,
        results: [{ status: 'success', response_data: { status: 204 } }],
      },
    ])
    const [request, ...others] = receiver.received
    expect(others).toEqual([])
    expect(request?.headers['webhook-id']).toBe(body.deliveries[0].id)
    const { block_time, ...event } = sampleEvent('NewFeedback')
    expect(JSON.parse(request?.body ?? '')).toMatchObject({
      test: true,
      delivery_id: body.deliveries[0].id,
      trigger: { id: trigger.id, name: 'Low scores', version: 1 },
      event: { ...event, block_time: block_time.toISOString() },
    })
  })

  test('shows why it failed, as any delivery does', async () => {
    receiver.answerWith((_, response) => void response.writeHead(404).end('no such hook'))
    const trigger = await createTrigger()
    const { status, body } = await post(`/v1/triggers/${trigger.id}/test?wait=20`, {})
    expect(status).toBe(200)
    expect(body.deliveries[0]).toMatchObject({ state: 'failed', error_message: expect.stringMatching(/404/) })
    expect(body.deliveries[0].results[0].response_data).toMatchObject({ status: 404, body: 'no such hook' })
  })

  test('takes a stored event, and only the actions that are asked for', async () => {
    const stored = sampleEvent('NewFeedback', { id: 'stored', tag1: '{{ trigger.id }} </b> " \\' })
    await insertEvents(db, [stored], { chainId: 31337, lastBlock: 12 })
    const body_template = { tag: '{{ event.tag1 }}', seen: '{{ event.score }}', test: { $value: 'test' } }
    const trigger = await createTrigger({ actions: [rest(), rest({ body_template })] })
    const asked = { event_id: 'stored', action_ids: [trigger.actions[1].id] }
    const { status, body } = await post(`/v1/triggers/${trigger.id}/test?wait=20`, asked)
    expect(status, JSON.stringify(body)).toBe(200)
    expect(body.event_id).toBe('stored')
    expect(receiver.received.map((request) => JSON.parse(request.body))).toEqual([
      { tag: stored.tag1, seen: '70.5', test: true },
    ])
  })

  test('can be fired at the command line, which says how it went and with which action', async () => {
    const run = (...args: string[]) =>
      runCli(['triggers', 'test', ...args], { DATABASE_URL: database.url, TOCSIN_HOME: home })
    const trigger = await createTrigger()
    const good = await run(trigger.id)
    expect(good, good.stderr).toMatchObject({ code: 0, stdout: expect.stringMatching(/rest \d+ +succeeded/) })
    receiver.answerWith((_, response) => void response.writeHead(404).end())
    const bad = await run(
      trigger.id,
      '--type',
      'NewFeedback',
      '--action',
      String(trigger.actions[0].id),
      '--json',
    )
    expect(bad.code).toBe(1)
    expect(JSON.parse(bad.stdout)).toMatchObject([{ kind: 'test', state: 'failed' }])
    const wrong = await run(trigger.id, '--type', 'Registered')
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/reputation registry/) })
    expect((await run('nope')).code).toBe(2)
  })

  test('is made anew each time, fires nothing else, and can be listed by its kind', async () => {
    const trigger = await createTrigger()
    for (const _ of [1, 2]) {
      expect((await post(`/v1/triggers/${trigger.id}/test?wait=20`)).status).toBe(200)
    }
    expect(receiver.received).toHaveLength(2)
    expect(await db`select from matches`).toHaveLength(0)
    const list = async (kind: string) => {
      const headers = { authorization: `Bearer ${token}` }
      const answer = await app.request(`/v1/deliveries?kind=${kind}`, { headers })
      return ((await answer.json()) as Body).data.length
    }
    expect([await list('test'), await list('match')]).toEqual([2, 0])
  })
})

describe('without a worker', () => {
  test('a test is accepted at once, with its deliveries, for every kind of action', async () => {
    const telegram = { action_type: 'telegram', config: { chat_id: '12345' } }
    const fixed = { action_type: 'mcp', config: { endpoint: 'https://a.example/mcp', tool_name: 't' } }
    const resolved = { action_type: 'mcp', config: { resolve_endpoint: true, tool_name: 't' } }
    const trigger = await createTrigger({ actions: [rest(), telegram, fixed, resolved] })
    const { status, body } = await post(`/v1/triggers/${trigger.id}/test?wait=0`, {})
    expect(status, JSON.stringify(body)).toBe(202)
    expect(body.deliveries.map((row: Body) => [row.action_type, row.state])).toEqual([
      ['rest', 'pending'],
      ['telegram', 'pending'],
      ['mcp', 'pending'],
      ['mcp', 'pending'],
    ])
    const rows = await db`
      select x.address from deliveries d join destinations x on x.id = d.destination_id order by d.action_id
    `
    expect(rows.map(({ address }) => address)).toEqual([
      `${receiver.url}/hook`,
      '12345',
      'https://a.example/mcp',
      'agent:31337:7',
    ])
    // An agent that has a destination already keeps it.
    expect((await post(`/v1/triggers/${trigger.id}/test`)).status).toBe(202)
    const [count] =
      await db`select count(*)::integer as agents from destinations where address like 'agent:%'`
    expect(count?.agents).toBe(1)
  })

  test('the sample is of a type for which the trigger can fire', async () => {
    const conditions = [{ condition_type: 'event_type_equals', value: 'ResponseAppended' }]
    const trigger = await createTrigger({ conditions, chain_id: 8453 })
    const { body } = await post(`/v1/triggers/${trigger.id}/test`)
    const [row] = await db`select payload from deliveries where id = ${body.deliveries[0].id}`
    expect(row?.payload.event).toMatchObject({ event_type: 'ResponseAppended', chain_id: 8453 })
    expect(row?.payload.evidence).toMatchObject([
      { field: 'event_type', seen: 'ResponseAppended', holds: true },
    ])
  })

  test.each<[string, object, number, string]>([
    ['an event that is not there', { event_id: 'nope' }, 422, 'event_id'],
    ['an event of another registry', { event_id: 'other' }, 422, 'event_id'],
    ['an event of another chain', { event_id: 'far' }, 422, 'event_id'],
    ['a type of another registry', { event_type: 'Registered' }, 422, 'event_type'],
    ['an action of another trigger', { action_ids: [1, 2] }, 422, 'action_ids[0]'],
    ['a type that nobody emits', { event_type: 'Nope' }, 400, 'event_type'],
    ['an unknown key', { event: 'x' }, 400, 'event'],
    ['two events', { event_id: 'other', event_type: 'NewFeedback' }, 400, ''],
  ])('%s is refused, and nothing is made', async (_, asked, status, path) => {
    const other = sampleEvent('Registered', { id: 'other' })
    const far = sampleEvent('NewFeedback', { id: 'far', chain_id: 1 })
    await insertEvents(db, [other], { chainId: 31337, lastBlock: 12 })
    await insertEvents(db, [far], { chainId: 1, lastBlock: 12 })
    const trigger = await createTrigger()
    const answer = await post(`/v1/triggers/${trigger.id}/test`, asked)
    expect(answer.status, JSON.stringify(answer.body)).toBe(status)
    expect(answer.body.errors.map((error: Body) => error.path)).toEqual([path])
    expect(await db`select from deliveries`).toHaveLength(0)
  })

  test('a trigger that is not there is a 404, a wait that is too long a 400', async () => {
    expect((await post('/v1/triggers/nope/test')).status).toBe(404)
    const { id } = await createTrigger()
    expect((await post(`/v1/triggers/${id}/test?wait=31`)).status).toBe(400)
  })
})

describe('a preview', () => {
  const preview = (body: object) => post('/v1/templates/preview', body)

  test('shows the request that an action makes, without its secrets, and sends nothing', async () => {
    const action = rest({
      method: 'PUT',
      headers: { Authorization: 'Bearer secret' },
      query: { who: '{{ event.agent_id }}&x=1' },
      body_template: { text: '{{ event.score }} for {{ chain.name }}', n: { $value: 'event.response' } },
    })
    const { status, body } = await preview({ action, event_type: 'ValidationResponse', chain_id: 8453 })
    expect(status, JSON.stringify(body)).toBe(200)
    expect(body.request).toMatchObject({
      method: 'PUT',
      url: `${receiver.url}/hook?who=7%26x%3D1`,
      headers: { 'content-type': 'application/json', authorization: '***' },
    })
    expect(JSON.parse(body.request.body)).toEqual({ text: ' for base', n: 85 })
    expect(JSON.stringify(body)).not.toContain('secret')
    expect(receiver.received).toEqual([])
  })

  test('shows messages and calls of tools', async () => {
    const message = { chat_id: '1', message_template: '<b>{{ event.tag1 }}</b>' }
    await insertEvents(db, [sampleEvent('NewFeedback', { id: 'e', tag1: '<i>' })], {
      chainId: 31337,
      lastBlock: 12,
    })
    const shown = await preview({ action: { action_type: 'telegram', config: message }, event_id: 'e' })
    expect(shown.body.message).toEqual({ text: '<b>&lt;i&gt;</b>', parse_mode: 'HTML' })

    const call = {
      endpoint: 'https://agents.example/mcp',
      tool_name: 'note',
      arguments_template: { id: '{{ event.agent_id }}', block: { $value: 'event.block_number' } },
    }
    const called = await preview({ action: { action_type: 'mcp', config: call } })
    expect(called.body.call).toEqual({ tool_name: 'note', arguments: { id: '7', block: 12 } })
  })

  test('knows the trigger that a template is for, and what its conditions see', async () => {
    const trigger = await createTrigger()
    const template = '{{ trigger.name }}: {{ match.evidence[0].seen }} {{ match.evidence[0].holds }}'
    const { body } = await preview({ template, mode: 'text', trigger_id: trigger.id })
    expect(body.text).toBe('Low scores: 70.5 false')
  })

  test.each<[string, object, number, string]>([
    ['a name that no event has', { template: { a: ['{{ event.nope }}'] } }, 422, 'template.a[0]'],
    ['a name that this event has not', { template: { a: '{{ event.args.nope }}' } }, 422, 'template.a'],
    [
      'a mistake in an action',
      { action: { action_type: 'rest', config: { url: 'nope' } } },
      422,
      'action.config.url',
    ],
    [
      'an action that this event breaks',
      {
        action: {
          action_type: 'mcp',
          config: {
            endpoint: 'https://a.example/',
            tool_name: 't',
            arguments_template: { a: { $value: 'event.args.nope' } },
          },
        },
      },
      422,
      'action.config.arguments_template.a.$value',
    ],
    ['an event that is not there', { template: 'x', event_id: 'nope' }, 422, 'event_id'],
    ['a trigger that is not there', { template: 'x', trigger_id: 'nope' }, 422, 'trigger_id'],
    ['a chain that nobody knows', { template: 'x', chain_id: 2 }, 422, 'chain_id'],
    ['a list for a message', { template: ['x'], mode: 'html' }, 422, 'template'],
    ['nothing to show', {}, 400, ''],
    ['both', { template: 'x', action: {} }, 400, ''],
  ])('%s is said with its path', async (_, asked, status, path) => {
    const answer = await preview(asked)
    expect(answer.status, JSON.stringify(answer.body)).toBe(status)
    expect(answer.body.errors.map((error: Body) => error.path)).toEqual([path])
  })

  test('a template that is nested without end is a problem, not a crash', async () => {
    const body = `{"template": ${'['.repeat(50_000)}${']'.repeat(50_000)}}`
    const response = await app.request('/v1/templates/preview', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body,
    })
    expect(response.status).toBe(400)
  })
})
