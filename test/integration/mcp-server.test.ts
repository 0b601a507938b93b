import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CallToolResultSchema, type Progress } from '@modelcontextprotocol/sdk/types.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Listening, listen } from '../../src/api/listen.ts'
import { knownChains } from '../../src/chains.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { exampleTrigger, tools } from '../../src/mcp-server/tools.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { keyScopes, type Scope } from '../../src/scopes.ts'
import { createUser } from '../../src/store/accounts.ts'
import { createKey } from '../../src/store/api-keys.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { parseTriggerDocument } from '../../src/trigger-document.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents } from '../support/insert-events.ts'
import { startReceiver } from '../support/receiver.ts'
import { testSecretKeys, testSecrets } from '../support/secrets.ts'
import { type RunningRole, startRole } from '../support/start-role.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any
type Result = { isError: boolean; text: string; body: Body }

const chainId = 31337
const publicUrl = 'https://tocsin.example'

let home: string
let database: TestDatabase
let db: Database
let server: Listening
let worker: RunningRole
let receiver: Awaited<ReturnType<typeof startReceiver>>
let ann: string
let agent: Client
const clients: Client[] = []
const called = new Set<string>()

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'tocsin-mcp-'))
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  receiver = await startReceiver()
  const app = createApp({
    db,
    log: createLog({ level: 'silent', format: 'json' }, 'test'),
    secrets: testSecrets,
    token: 'the-token-of-the-installation',
    userId: await ensureUser(db, 'bootstrap'),
    publicUrl,
  })
  server = await listen(app, { host: '127.0.0.1', port: 0 })
  worker = await startRole('worker', {
    DATABASE_URL: database.url,
    TOCSIN_HOME: home,
    TOCSIN_SECRET_KEYS: testSecretKeys,
    TOCSIN_LOG_LEVEL: 'warn',
    OUTBOUND_ALLOW: '127.0.0.0/8',
  })
  ann = await makeUser('ann')
  agent = await connect(await makeKey(ann))
  const events = Array.from({ length: 30 }, (_, index) =>
    sampleEvent('NewFeedback', {
      id: `event-${index + 1}`,
      agent_id: '7',
      block_number: index + 1,
      transaction_hash: `0x${index}`,
      occurrence: `0x${index}`,
      block_time: new Date(Date.UTC(2026, 1, 1) + index * 1000),
    }),
  )
  await insertEvents(db, events, { chainId, lastBlock: 30 })
})

afterAll(async () => {
  for (const client of clients) await client.close()
  await worker?.stop()
  await server?.close()
  await receiver?.close()
  await db?.end()
  await database?.drop()
  rmSync(home, { recursive: true, force: true })
})

async function makeUser(username: string): Promise<string> {
  const id = await createUser(db, { username, passwordHash: null })
  if (id === undefined) throw new Error(`${username} is there already`)
  return id
}

async function makeKey(userId: string, scopes: readonly Scope[] = keyScopes): Promise<string> {
  const key = await createKey(db, userId, { name: 'agent', scopes, expiresAt: null })
  if (key === undefined) throw new Error('no key')
  return key.key
}

async function connect(credential: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' })
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', server.url), {
    requestInit: { headers: { authorization: `Bearer ${credential}` } },
  })
  await client.connect(transport as Parameters<typeof client.connect>[0])
  clients.push(client)
  return client
}

async function call(
  name: string,
  args: object = {},
  { by = agent, onprogress }: { by?: Client; onprogress?: (progress: Progress) => void } = {},
): Promise<Result> {
  called.add(name)
  const answer = await by.callTool(
    { name, arguments: args as Record<string, unknown> },
    CallToolResultSchema,
    {
      ...(onprogress === undefined ? {} : { onprogress }),
    },
  )
  const result = CallToolResultSchema.parse(answer)
  const [first] = result.content
  return {
    isError: result.isError === true,
    text: first?.type === 'text' ? first.text : '',
    body: result.structuredContent,
  }
}

/** What must work. */
async function ask(...parameters: Parameters<typeof call>): Promise<Body> {
  const { isError, text, body } = await call(...parameters)
  expect(isError, text).toBe(false)
  return body
}

const trigger = (fields: object = {}) => ({
  name: 'Low scores',
  chain_id: chainId,
  registry: 'reputation',
  conditions: [{ condition_type: 'agent_id_equals', value: 7 }],
  actions: [{ action_type: 'rest', config: { url: `${receiver.url}/hook` } }],
  ...fields,
})

test('an agent finds out how, tries, sets, tests and reads its own alarm', async () => {
  const { resources } = await agent.listResources()
  expect(resources.map(({ uri }) => uri)).toContain('tocsin://docs/triggers')
  const { contents } = await agent.readResource({ uri: 'tocsin://docs/triggers' })
  expect(JSON.stringify(contents)).toContain('condition_type')

  expect(await ask('read_me')).toMatchObject({ username: 'ann', credential: { kind: 'key' } })
  expect((await ask('read_chains')).chains ?? (await ask('read_chains')).data).toBeDefined()
  const wrong = await call('backtest_trigger', { trigger: { ...trigger(), registry: 'nonsense', name: '' } })
  expect(wrong.isError).toBe(true)
  expect(wrong.text).toContain('- trigger.name: expected a text of 1 to 200 characters')
  expect(wrong.text).toContain('- trigger.registry: expected one of identity, reputation, validation')
  expect(wrong.body).toMatchObject({ status: 400, errors: expect.any(Array) })

  const seen: Progress[] = []
  const tried = await ask(
    'backtest_trigger',
    { trigger: trigger(), from_block: 1 },
    { onprogress: (progress) => seen.push(progress) },
  )
  expect(tried.matches.total).toBe(30)
  expect(tried.first).toHaveLength(5)
  expect(seen.length).toBeGreaterThan(0)
  expect(await ask('backtest_trigger', { trigger: trigger(), from_block: 1 })).toMatchObject({
    matches: { total: 30 },
  })
  const preview = await ask('preview_template', {
    action: {
      action_type: 'rest',
      config: { url: 'https://a.example/', body_template: '{{ event.agent_id }}' },
    },
    event_id: 'event-1',
  })
  expect(preview.request.body).toBe('7')

  const made = await ask('create_trigger', { trigger: trigger() })
  const changed = await ask('replace_trigger', { id: made.id, trigger: { ...made, name: 'Renamed' } })
  expect(changed).toMatchObject({ id: made.id, name: 'Renamed', version: 2 })
  expect(await ask('read_trigger', { id: made.id })).toMatchObject({ name: 'Renamed' })
  // What was read before that is not what there is.
  const late = await call('replace_trigger', { id: made.id, trigger: { ...made, name: 'Late' } })
  expect(late).toMatchObject({ isError: true, body: { status: 412 } })
  expect(await ask('disable_trigger', { id: made.id })).toMatchObject({ enabled: false })
  expect(await ask('enable_trigger', { id: made.id })).toMatchObject({ enabled: true })
  const copy = await ask('duplicate_trigger', { id: made.id })
  expect(copy.id).not.toBe(made.id)
  await ask('delete_trigger', { id: copy.id })
  expect((await ask('list_triggers', { registry: 'reputation' })).data).toHaveLength(1)

  const fired = await ask('test_trigger', { id: made.id, event_id: 'event-1', wait: 20 })
  expect(receiver.received).toHaveLength(1)
  const [{ id: deliveryId }] = fired.deliveries
  expect(await ask('read_delivery', { id: deliveryId })).toMatchObject({
    kind: 'test',
    state: 'succeeded',
    results: [{ status: 'success' }],
  })
  expect((await ask('list_deliveries', { trigger_id: made.id })).data).toHaveLength(1)
  expect((await ask('list_attempts', { delivery_id: deliveryId })).data).toHaveLength(1)

  expect((await ask('explain_decision', { id: made.id, event: 'event-1' })).outcome).toBeDefined()
  expect(await ask('read_trigger_state', { id: made.id })).toMatchObject({ data: [] })
  expect((await ask('list_matches', { trigger_id: made.id })).data).toEqual([])

  const [destination] = (await ask('list_destinations')).data
  const reach = { id: String(destination.id) }
  expect(await ask('read_destination', reach)).toMatchObject({ id: destination.id })
  expect(await ask('change_destination', { ...reach, in_flight_max: 3 })).toMatchObject({ in_flight_max: 3 })
  expect(await ask('reset_destination', reach)).toMatchObject({ id: destination.id })
  expect((await ask('list_alerts')).data).toEqual([])

  // A delivery that is over cannot be cancelled: the route's own refusal.
  const refused = await call('cancel_delivery', { id: deliveryId })
  expect(refused).toMatchObject({ isError: true, body: { status: 409 } })
  await db`update deliveries set state = 'failed' where id = ${deliveryId}`
  expect(await ask('retry_delivery', { id: deliveryId })).toMatchObject({ id: deliveryId })
  expect(await ask('retry_deliveries', { trigger_id: made.id })).toMatchObject({
    retried: expect.any(Number),
  })

  expect(await ask('delete_trigger', { id: made.id })).toEqual({ status: 204, done: true })
  expect(await call('read_trigger', { id: made.id })).toMatchObject({ isError: true, body: { status: 404 } })
})

test('an agent reads events, agents and counts', async () => {
  const first = await ask('list_events', { chain_id: chainId, agent_id: '7' })
  expect(first.data).toHaveLength(20)
  const rest = await ask('list_events', {
    chain_id: chainId,
    agent_id: '7',
    cursor: first.next_cursor,
    limit: null,
  })
  expect(rest.data).toHaveLength(10)
  expect(rest.next_cursor).toBeNull()
  expect(await ask('read_agent', { chain: chainId, agent: '7' })).toMatchObject({ agent_id: '7' })
  expect((await ask('list_agents', { owner: `0x${'ab'.repeat(20)}` })).data).toEqual([])
  expect(
    await ask('read_stats', { since: '2026-02-01T00:00:00Z', until: '2026-02-02T00:00:00Z' }),
  ).toBeDefined()
})

describe('who may do what', () => {
  test('nobody, and who says that they are somebody else, is told how to say who they are', async () => {
    const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
    for (const credential of [undefined, 'made-up', 'tcs_made-up']) {
      const response = await post(
        message,
        credential === undefined ? {} : { authorization: `Bearer ${credential}` },
      )
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
    }
  })

  test('a narrow key is shown the tools that it may use, and is refused the others by their routes', async () => {
    const narrow = await connect(await makeKey(ann, ['triggers:read', 'events:read']))
    const names = (await narrow.listTools()).tools.map(({ name }) => name)
    expect(names).toContain('list_triggers')
    expect(names).toContain('backtest_trigger')
    expect(names).not.toContain('create_trigger')
    expect(names).not.toContain('read_delivery')
    const refused = await call('create_trigger', { trigger: trigger() }, { by: narrow })
    expect(refused.isError).toBe(true)
    expect(refused.text).toBe('This needs a credential with the scope triggers:write.')
    const [row] = await db`select count(*) as triggers from triggers where user_id = ${ann}`
    expect(row?.triggers).toBe(0)
  })

  test('a key that is revoked is refused at the next call', async () => {
    const key = await makeKey(ann)
    const client = await connect(key)
    await ask('list_triggers', {}, { by: client })
    await db`update api_keys set revoked_at = now() where key_hash = sha256(${key}::text::bytea)`
    await expect(call('list_triggers', {}, { by: client })).rejects.toThrow(/401|token is not right/i)
  })

  test('the things of others are not there', async () => {
    const made = await ask('create_trigger', { trigger: trigger({ name: 'hidden-of-ann' }) })
    const { deliveries } = await ask('test_trigger', { id: made.id, wait: 20 })
    const [{ id: delivery }] = deliveries
    const [{ id: destination }] = (await ask('list_destinations')).data
    const stranger = await connect(await makeKey(await makeUser('bob')))
    for (const name of [
      'read_trigger',
      'delete_trigger',
      'test_trigger',
      'read_trigger_state',
      'explain_decision',
    ]) {
      expect(await call(name, { id: made.id }, { by: stranger })).toMatchObject({
        isError: true,
        body: { status: 404 },
      })
    }
    for (const name of ['read_delivery', 'retry_delivery', 'cancel_delivery']) {
      expect(await call(name, { id: delivery }, { by: stranger })).toMatchObject({
        isError: true,
        body: { status: 404 },
      })
    }
    for (const name of ['read_destination', 'reset_destination']) {
      const answer = await call(name, { id: String(destination) }, { by: stranger })
      expect(answer).toMatchObject({ isError: true, body: { status: 404 } })
    }
    for (const name of [
      'list_triggers',
      'list_matches',
      'list_deliveries',
      'list_attempts',
      'list_destinations',
    ]) {
      expect((await ask(name, {}, { by: stranger })).data).toEqual([])
    }
    await ask('delete_trigger', { id: made.id })
  })

  test('a page in a browser may speak for its visitor only from the public address', async () => {
    const key = await makeKey(ann)
    const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
    for (const origin of ['https://evil.example', server.url, 'null', `${publicUrl}.evil.example`]) {
      const response = await post(list, { authorization: `Bearer ${key}`, origin })
      expect([origin, response.status]).toEqual([origin, 403])
    }
    expect((await post(list, { authorization: `Bearer ${key}`, origin: publicUrl })).status).toBe(200)
  })
})

describe('tools', () => {
  test('say what they take as JSON Schema, whole, and what they do', async () => {
    const listed = (await agent.listTools()).tools
    expect(listed.map(({ name }) => name)).toEqual(tools.map(({ name }) => name))
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    for (const { name, description, inputSchema, annotations } of listed) {
      expect([name, JSON.stringify(inputSchema).includes('$ref')]).toEqual([name, false])
      ajv.compile(inputSchema)
      expect(description, name).toMatch(/^[A-Z]/)
      expect(annotations?.readOnlyHint, name).toEqual(expect.any(Boolean))
    }
    const create = listed.find(({ name }) => name === 'create_trigger')
    expect(ajv.validate(create?.inputSchema ?? false, { trigger: exampleTrigger })).toBe(true)
    expect(ajv.validate(create?.inputSchema ?? true, { trigger: { ...exampleTrigger, registry: 'x' } })).toBe(
      false,
    )
  })

  test('the example in the description is a trigger', () => {
    expect(parseTriggerDocument(exampleTrigger, knownChains)).toHaveProperty('ok')
  })

  test('an unknown tool is an error of the protocol; an unknown argument one that the model can read', async () => {
    await expect(agent.callTool({ name: 'drop_database', arguments: {} })).rejects.toThrow('There is no tool')
    await expect(agent.readResource({ uri: 'tocsin://docs/../../package' })).rejects.toThrow(
      'There is no resource',
    )
    const answer = await call('read_trigger', { id: 'x', version: 2 })
    expect(answer).toMatchObject({ isError: true, text: 'There is no argument version. Known are id.' })
    expect(await call('read_trigger')).toMatchObject({ isError: true, text: 'id: expected a text.' })
    expect((await call('list_events', { limit: 'many' })).text).toContain('limit: expected a whole number')
  })

  test('an id cannot lead to another route', async () => {
    // POST /v1/deliveries/./retry would be POST /v1/deliveries/retry.
    for (const id of ['.', '..', '']) {
      expect(await call('retry_delivery', { id })).toMatchObject({
        isError: true,
        text: 'id: expected an id.',
      })
    }
    for (const id of ['../keys', '%2e%2e', 'a/b', 'a?b=c', 'a#b', '\ud800', 'a\0b']) {
      expect(await call('read_trigger', { id })).toMatchObject({ isError: true, body: { status: 404 } })
    }
  })

  test('an answer that is too long for a model comes in smaller pages, with a cursor that is right', async () => {
    const description = 'x'.repeat(2000)
    const ids: string[] = []
    for (let index = 0; index < 40; index += 1) {
      ids.push(
        (await ask('create_trigger', { trigger: trigger({ name: `Trigger ${index}`, description }) })).id,
      )
    }
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const { text, body } = await call('list_triggers', { limit: 100, cursor })
      expect(text.length).toBeLessThanOrEqual(60_000)
      seen.push(...body.data.map(({ id }: { id: string }) => id))
      cursor = body.next_cursor
    } while (cursor !== null)
    expect(seen).toEqual(ids.toReversed())
    await db`delete from triggers where user_id = ${ann}`
  })

  test('each was called', () => {
    expect([...called].toSorted()).toEqual(tools.map(({ name }) => name).toSorted())
  })
})

function post(body: string, headers: Record<string, string>): Promise<Response> {
  return fetch(new URL('/mcp', server.url), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body,
  })
}
