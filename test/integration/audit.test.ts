import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { listen } from '../../src/api/listen.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { maintainOnce } from '../../src/maintenance.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createUser, makeAdmin } from '../../src/store/accounts.ts'
import { asActor } from '../../src/store/as-actor.ts'
import { asUser } from '../../src/store/as-user.ts'
import type { AuditRow } from '../../src/store/audit.ts'
import { linkChat } from '../../src/store/telegram-chats.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { runCli } from '../support/run-cli.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const operatorToken = 'the-token-of-the-installation'
const password = 'a password that nobody guesses'
/** What stands wherever a secret can be. */
const planted = 'planted-secret-4711'

let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>
let ann: { id: string; token: string }
let bob: { id: string; token: string }
let operatorId: string

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'audit test' })
  operatorId = await ensureUser(db, 'bootstrap')
  app = createApp({
    db,
    log: createLog({ level: 'silent', format: 'json' }, 'test'),
    secrets: testSecrets,
    token: operatorToken,
    userId: operatorId,
  })
  ann = await register('ann')
  bob = await register('bob')
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

let seen = 0
beforeEach(async () => {
  seen = await lastId()
})

const lastId = async () => Number((await db`select coalesce(max(id), 0) as id from audit_log`)[0]?.id)

/** What was written since this was last asked, the oldest first. */
async function written(): Promise<AuditRow[]> {
  const rows = await db<AuditRow[]>`select * from audit_log where id > ${seen} order by id`
  seen = await lastId()
  return rows
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  { token = ann.token, headers = {} }: { token?: string; headers?: Record<string, string> } = {},
) {
  const response = await app.request(
    path,
    {
      method,
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
    // As the server of Node gives it.
    { incoming: { socket: { remoteAddress: '::ffff:192.0.2.7' } } },
  )
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

async function done(...asked: Parameters<typeof ask>) {
  const answer = await ask(...asked)
  if (answer.status >= 300) throw new Error(JSON.stringify(answer))
  return answer.body
}

async function register(username: string) {
  const answer = await done('POST', '/v1/auth/register', { username, password }, { token: '' })
  return { id: answer.user_id as string, token: answer.access_token as string }
}

const document = {
  name: 'low scores',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [{ condition_type: 'score_threshold', operator: '<', value: 70 }],
  actions: [
    {
      action_type: 'rest',
      config: {
        url: `https://hooks.example/in?token=${planted}`,
        headers: { 'x-key': planted },
        query: { key: planted },
      },
    },
    { action_type: 'telegram', config: { chat_id: '4711' } },
  ],
}

/** A delivery of the trigger that has ended in a state. */
async function insertDelivery(trigger: { id: string; actions: { id: number; destination_id: number }[] }) {
  const [delivery] = await db<{ id: string }[]>`
    insert into deliveries (kind, trigger_id, action_id, destination_id, occurrence, event_id, block_time, action_type, priority, state, payload)
    values ('test', ${trigger.id}, ${trigger.actions[0]?.id ?? 0}, ${trigger.actions[0]?.destination_id ?? 0},
      ${randomBytes(8).toString('hex')}, 'e', now(), 'rest', 1, 'failed', '{}')
    returning id`
  return delivery?.id ?? ''
}

const byAnn = () => ({
  user_id: ann.id,
  actor_kind: 'session',
  actor_user_id: ann.id,
  actor_key_id: null,
  actor_name: null,
})

describe('one row, with who, how it was before and how it is since', () => {
  test('of a trigger that is made, replaced, switched off in part, tested and deleted', async () => {
    const made = await done('POST', '/v1/triggers', document)
    const shown = {
      name: 'low scores',
      enabled: true,
      conditions: [
        { condition_type: 'score_threshold', field: 'score', operator: '<', value: '70', config: {} },
      ],
      actions: [
        {
          action_type: 'rest',
          url: 'https://hooks.example/in',
          headers: ['x-key'],
          query: ['key'],
          method: 'POST',
        },
        { action_type: 'telegram', chat_id: '4711' },
      ],
    }
    const target = { target_kind: 'trigger', target_id: made.id }
    expect(await written()).toMatchObject([
      { ...byAnn(), ...target, action: 'trigger.create', before: null, after: { ...shown, version: 1 } },
    ])

    await done('PUT', `/v1/triggers/${made.id}`, { ...document, name: 'lower scores' })
    expect(await written()).toMatchObject([
      {
        ...byAnn(),
        ...target,
        action: 'trigger.update',
        before: { ...shown, version: 1 },
        after: { ...shown, name: 'lower scores', version: 2 },
      },
    ])

    await done('POST', `/v1/triggers/${made.id}/conditions`, document.conditions[0])
    const [part, ...more] = await written()
    expect(more).toEqual([])
    expect(part).toMatchObject({
      action: 'trigger.update',
      before: { conditions: [{}] },
      after: { conditions: [{}, {}] },
    })

    await done('POST', `/v1/triggers/${made.id}/disable`)
    expect(await written()).toMatchObject([
      { ...byAnn(), action: 'trigger.update', before: { enabled: true }, after: { enabled: false } },
    ])

    await done('POST', `/v1/triggers/${made.id}/test`, {})
    expect(await written()).toMatchObject([{ ...byAnn(), ...target, action: 'trigger.test', before: null }])

    await done('DELETE', `/v1/triggers/${made.id}`)
    expect(await written()).toMatchObject([
      { ...byAnn(), ...target, action: 'trigger.delete', before: { name: 'lower scores' }, after: null },
    ])
  })

  test('of a part of a trigger that is changed by hand, by which process', async () => {
    const { id } = await done('POST', '/v1/triggers', document)
    await written()
    await db`update trigger_conditions set value = '60' where trigger_id = ${id}`
    expect(await written()).toMatchObject([
      {
        user_id: ann.id,
        actor_kind: 'process',
        actor_user_id: null,
        actor_name: 'audit test',
        action: 'trigger.update',
        before: { conditions: [{ value: '70' }] },
        after: { conditions: [{ value: 60 }] },
        address: null,
      },
    ])
  })

  test('of a destination that is limited, reset, disabled, and of its signing secret', async () => {
    const made = await done('POST', '/v1/triggers', document)
    const id = String(made.actions[0].destination_id)
    await written()
    const target = { ...byAnn(), target_kind: 'destination', target_id: id }
    await done('PATCH', `/v1/destinations/${id}`, { in_flight_max: 3 })
    expect(await written()).toMatchObject([
      {
        ...target,
        action: 'destination.update',
        before: { in_flight_max: 20, address: 'https://hooks.example/in' },
        after: { in_flight_max: 3 },
      },
    ])
    await db`update destinations set disabled_at = now(), disabled_reason = 'gone', breaker = 'open' where id = ${id}`
    expect(await written()).toMatchObject([
      { actor_kind: 'process', action: 'destination.disable', after: { disabled_reason: 'gone' } },
    ])
    await done('POST', `/v1/destinations/${id}/reset`)
    expect(await written()).toMatchObject([
      {
        ...target,
        action: 'destination.reset',
        before: { breaker: 'open', disabled_reason: 'gone' },
        after: { breaker: 'closed', disabled_reason: null },
      },
    ])
    for (const overlap of ['1h', '0']) {
      await done('POST', `/v1/destinations/${id}/secret/rotate`, { overlap })
      expect(await written(), overlap).toMatchObject([{ ...target, action: 'signing_secret.rotate' }])
    }
    // What the relay and the worker write.
    await db`update destinations set next_at = now(), failures = failures + 1, breaker = 'open' where id = ${id}`
    expect(await written()).toEqual([])
  })

  test('of deliveries that are retried or cancelled, and of none that a worker writes', async () => {
    const made = await done('POST', '/v1/triggers', document)
    const id = await insertDelivery(made)
    await written()
    const target = { ...byAnn(), target_kind: 'delivery', target_id: id }
    await done('POST', `/v1/deliveries/${id}/retry`)
    expect(await written()).toMatchObject([
      { ...target, action: 'delivery.retry', before: { state: 'failed' }, after: { state: 'pending' } },
    ])
    await done('POST', `/v1/deliveries/${id}/cancel`)
    expect(await written()).toMatchObject([
      { ...target, action: 'delivery.cancel', before: { state: 'pending' }, after: { state: 'cancelled' } },
    ])
    await db`update deliveries set state = 'failed' where id = ${id}`
    await insertDelivery(made)
    expect(await written()).toEqual([])
    await done('POST', '/v1/deliveries/retry', { state: 'failed', trigger_id: made.id })
    expect(await written()).toMatchObject([
      {
        ...byAnn(),
        action: 'delivery.retry_all',
        target_id: null,
        before: { state: 'failed' },
        after: { state: 'pending', retried: 2, trigger_id: made.id },
      },
    ])
    await done('POST', '/v1/deliveries/retry', { state: 'failed', trigger_id: made.id })
    expect(await written()).toEqual([])
  })

  test('of a key that is made, rotated and revoked; what a key does names it', async () => {
    const made = await done('POST', '/v1/keys', { name: 'ci', scopes: ['triggers:write'] })
    const target = { ...byAnn(), target_kind: 'key', target_id: made.id }
    const [row, ...more] = await written()
    expect(more).toEqual([])
    expect(row).toMatchObject({ ...target, action: 'key.create', before: null })
    expect(Object.keys(row?.after as object).sort()).toEqual([
      'expires_at',
      'name',
      'prefix',
      'revoked_at',
      'scopes',
    ])

    await done('POST', '/v1/triggers', document, { token: made.key })
    expect(await written()).toMatchObject([
      { actor_kind: 'key', actor_user_id: ann.id, actor_key_id: made.id, action: 'trigger.create' },
    ])

    const next = await done('POST', `/v1/keys/${made.id}/rotate`, {})
    expect(await written()).toMatchObject([
      { ...target, action: 'key.update', before: { expires_at: null } },
      { ...byAnn(), action: 'key.create', target_id: next.id },
    ])
    await done('DELETE', `/v1/keys/${made.id}`)
    await done('DELETE', `/v1/keys/${made.id}`)
    expect(await written()).toMatchObject([{ ...target, action: 'key.revoke', before: { revoked_at: null } }])
  })

  test('of tokens of agents, of chats and of codes for these', async () => {
    const endpoint = `https://agent.example/mcp?key=${planted}`
    const path = '/v1/mcp-tokens/31337/7'
    const token = { ...byAnn(), target_kind: 'mcp_token', target_id: '31337/7' }
    await done('PUT', path, { token: planted, endpoint })
    await done('PUT', path, { token: `${planted}-new`, endpoint })
    await done('DELETE', path)
    const shown = { endpoint: 'https://agent.example/mcp' }
    expect(await written()).toMatchObject([
      { ...token, action: 'mcp_token.create', before: null, after: shown },
      { ...token, action: 'mcp_token.update', before: shown, after: shown },
      { ...token, action: 'mcp_token.delete', before: shown, after: null },
    ])

    const code = randomBytes(32)
    await db`insert into telegram_link_codes (code_hash, user_id, expires_at) values (${code}, ${ann.id}, now() + interval '1 hour')`
    await linkChat(db, code, { chat_id: '4712', kind: 'private', title: 'Ann' })
    const chat = { user_id: ann.id, target_kind: 'telegram_chat', target_id: '4712' }
    expect(await written()).toMatchObject([
      { action: 'telegram_link_code.create', target_id: null },
      { ...chat, actor_kind: 'process', action: 'telegram_chat.link', before: null },
    ])
    await done('PATCH', '/v1/telegram/chats/4712', { muted_until: '2999-01-01T00:00:00Z' })
    await done('DELETE', '/v1/telegram/chats/4712')
    expect(await written()).toMatchObject([
      { ...chat, ...byAnn(), action: 'telegram_chat.update', before: { muted_until: null } },
      { ...chat, ...byAnn(), action: 'telegram_chat.unlink', after: null },
    ])
  })

  test('of accounts: made, signed in to, or not, switched off, deleted', async () => {
    const carl = await register('carl')
    const target = { user_id: carl.id, target_kind: 'user', target_id: carl.id }
    const anonymous = { actor_kind: 'anonymous', address: expect.stringContaining('192.0.2.7') }
    expect(await written()).toMatchObject([
      { ...target, ...anonymous, actor_user_id: carl.id, action: 'user.create', after: { username: 'carl' } },
    ])
    const login = (username: string, given: string) =>
      ask('POST', '/v1/auth/login', { username, password: given }, { token: '' })
    expect((await login('carl', planted)).status).toBe(401)
    expect((await login(planted, planted)).status).toBe(401)
    expect((await login('carl', password)).status).toBe(200)
    expect(await written()).toMatchObject([
      { ...target, ...anonymous, actor_user_id: null, action: 'login.failed' },
      { ...anonymous, user_id: null, target_id: null, action: 'login.failed' },
      { ...target, ...anonymous, actor_user_id: carl.id, action: 'login' },
    ])

    const given = { current_password: password, new_password: `${planted} and more` }
    await done('POST', '/v1/auth/change-password', given, { token: carl.token })
    expect((await written()).map(({ action }) => action)).toEqual(['password.change', 'session.end'])

    await done('POST', '/v1/triggers', document, { token: carl.token })
    await written()
    const path = `/v1/admin/users/${carl.id}`
    await done('PATCH', path, { is_active: false }, { token: operatorToken })
    expect(await written()).toMatchObject([
      {
        ...target,
        actor_kind: 'operator',
        actor_user_id: operatorId,
        action: 'user.update',
        before: { is_active: true },
        after: { is_active: false },
      },
      { action: 'session.end', user_id: carl.id, actor_user_id: operatorId },
      { action: 'trigger.update', user_id: carl.id, after: { enabled: false } },
    ])

    const dora = await register('dora')
    await done('POST', '/v1/triggers', document, { token: dora.token })
    await done('POST', '/v1/keys', { name: 'k', scopes: ['events:read'] }, { token: dora.token })
    await done('PUT', '/v1/mcp-tokens/31337/7', { token: 'x', endpoint: 'https://a.example/' }, dora)
    await written()
    await done('DELETE', '/v1/me', { password }, { token: dora.token })
    expect(await written()).toMatchObject([
      { user_id: dora.id, actor_user_id: dora.id, action: 'user.delete', before: { username: 'dora' } },
    ])
    await makeAdmin(db, 'eve', 'hash')
    expect(await written()).toMatchObject([{ actor_kind: 'process', action: 'user.create' }])
  })
})

test('a change that is undone leaves no row, and neither does one that is refused', async () => {
  const acting = asActor(asUser(db, ann.id), { kind: 'session', user_id: ann.id })
  const undone = acting.begin(async (transaction) => {
    await transaction.unsafe(
      `insert into triggers (user_id, name, chain_id, registry) values ('${ann.id}', 'n', 31337, 'identity')`,
    )
    throw new Error('undone')
  })
  await expect(undone).rejects.toThrow('undone')
  expect((await ask('POST', '/v1/triggers', { ...document, registry: 'none' })).status).toBe(400)
  expect((await ask('PATCH', '/v1/destinations/999999', { in_flight_max: 1 })).status).toBe(404)
  expect(await written()).toEqual([])
})

test('an answer that is given again leaves no second row', async () => {
  const headers = { 'idempotency-key': 'once' }
  for (const _ of [1, 2]) await done('POST', '/v1/triggers', document, { headers })
  expect(await written()).toMatchObject([{ ...byAnn(), action: 'trigger.create' }])
})

test('a row says where the request came from, under which id, and why', async () => {
  const headers = {
    'x-audit-reason': Buffer.from('wegen Müll').toString('latin1'),
    'x-request-id': 'asked-1',
  }
  await done('POST', '/v1/triggers', document, { headers })
  const [row] = await written()
  expect(row).toMatchObject({ reason: 'wegen Müll', address: expect.stringContaining('192.0.2.7') })
  expect(row?.request_id).toBe('asked-1')
  const tooLong = await ask('POST', '/v1/triggers', document, {
    headers: { 'x-audit-reason': 'x'.repeat(501) },
  })
  expect(tooLong).toMatchObject({ status: 400, body: { detail: expect.stringContaining('500') } })
  expect(await written()).toEqual([])
})

describe('rows stay as they are', () => {
  test.each([
    "update audit_log set reason = 'none'",
    'delete from audit_log',
    'delete from audit_log where false',
    'truncate audit_log',
    'set session_replication_role = replica; delete from audit_log',
  ])('also for the owner of the table: %s', async (statement) => {
    await expect(db.begin((transaction) => transaction.unsafe(statement))).rejects.toThrow(/append-only/)
  })

  test.each([
    "update audit_log set reason = 'none'",
    'delete from audit_log',
    'truncate audit_log',
    "insert into audit_log (actor_kind, action, target_kind) values ('key', 'x', 'y')",
    'select forget_audit(1, 1)',
  ])('and for the role of the API: %s', async (statement) => {
    await expect(asUser(db, ann.id).unsafe(statement)).rejects.toThrow(/permission denied/)
  })

  test('until they are older than the retention; without one, for ever', async () => {
    const age = (days: number) =>
      db`insert into audit_log (at, actor_kind, action, target_kind) values (now() - make_interval(days => ${days}), 'process', 'test', 'test')`
    for (const days of [10, 40]) await age(days)
    const left = async () => (await db`select count(*) as rows from audit_log where action = 'test'`)[0]?.rows
    await maintainOnce(db, { eventDays: undefined, resultDays: 90 })
    expect(await left()).toBe(2)
    await maintainOnce(db, { eventDays: undefined, resultDays: 90, auditDays: 30 })
    expect(await left()).toBe(1)
  })
})

describe('who reads', () => {
  test('a user: what is theirs, and nothing of others', async () => {
    await done('POST', '/v1/triggers', document)
    const own = await done('GET', '/v1/audit?action=trigger.create')
    expect(own.data.length).toBeGreaterThan(0)
    expect(new Set(own.data.map(({ user_id }: AuditRow) => user_id))).toEqual(new Set([ann.id]))
    expect(own.data[0]).toMatchObject({ address: '192.0.2.7', after: { name: 'low scores' } })
    const others = await done('GET', `/v1/audit?actor=${ann.id}`, undefined, { token: bob.token })
    expect(others.data).toEqual([])
    const [row] = await asUser(db, bob.id).unsafe(
      'select count(*) filter (where user_id = $1) as own, count(*) as rows from audit_log',
      [bob.id],
    )
    expect(row?.rows).toBe(row?.own)
    expect((await ask('GET', '/v1/admin/audit', undefined, { token: bob.token })).status).toBe(403)
  })

  test('an administrator: that somebody changed something, but not what others have', async () => {
    const path = `/v1/admin/audit?actor=${ann.id}&target_kind=trigger`
    const page = await done('GET', path, undefined, { token: operatorToken })
    expect(page.data.length).toBeGreaterThan(0)
    for (const row of page.data) expect(row).toMatchObject({ before: null, after: null })
    const accounts = '/v1/admin/audit?action=user.create'
    expect((await done('GET', accounts, undefined, { token: operatorToken })).data[0].after).toMatchObject({
      username: expect.any(String),
    })
  })

  test('page by page, each row once', async () => {
    const all: number[] = []
    let cursor = ''
    do {
      const page = await done('GET', `/v1/audit?limit=7${cursor && `&cursor=${cursor}`}`)
      all.push(...page.data.map(({ id }: AuditRow) => id))
      cursor = page.next_cursor ?? ''
    } while (cursor !== '')
    const expected = await db`select id from audit_log where user_id = ${ann.id} order by id desc`
    expect(all).toEqual(expected.map(({ id }) => id))
    const since = await done('GET', '/v1/audit?from=2999-01-01T00:00:00Z')
    expect(since.data).toEqual([])
  })
})

test('tocsin audit shows everything on the host', async () => {
  const { id } = await done('POST', '/v1/triggers', document)
  const run = (...args: string[]) =>
    runCli(['audit', '--target', id, ...args], { DATABASE_URL: database.url })
  const [row, ...more] = JSON.parse((await run('--json')).stdout)
  expect(more).toEqual([])
  expect(row).toMatchObject({ ...byAnn(), action: 'trigger.create', after: { name: 'low scores' } })
  const { stdout, code } = await run()
  expect(code).toBe(0)
  expect(stdout).toMatch(new RegExp(`${ann.id} +trigger.create +${id} +192.0.2.7`))
})

test('tocsin audit --api shows what is of the caller', async () => {
  const { url, close } = await listen(app, { host: '127.0.0.1', port: 0 })
  onTestFinished(async () => {
    await close()
  })
  const run = (token: string, ...args: string[]) =>
    runCli(['audit', '--api', url, ...args], { TOCSIN_API_TOKEN: token, TOCSIN_HOME: '/nowhere' })
  const idsOf = async (token: string, ...args: string[]) =>
    JSON.parse((await run(token, '--json', ...args)).stdout).map(({ id }: AuditRow) => id)
  const expected = await db`select id from audit_log where user_id = ${ann.id} order by id desc`
  expect(await idsOf(ann.token, '--limit', '1000')).toEqual(expected.map(({ id }) => id))
  const one = await run(ann.token, '--limit', '1')
  expect(one.stdout).toMatch(/^WHEN +WHO +ACTION/)
  expect(one.stdout).toContain('There are more. Narrow the list, or show more with --limit.')
  expect((await run(bob.token, '--actor', ann.id)).stdout).toBe('Nothing was changed.\n')
  expect((await run('tcs_of-nobody-that-is-known')).stderr).toContain('does not take the credential')
})

test('no secret is in any row, of all that the tests before have written', async () => {
  const userId = await createUser(db, { username: 'frank', passwordHash: planted })
  const rows = await db<{ text: string }[]>`select l::text as text from audit_log l`
  expect(userId).toBeDefined()
  expect(rows.length).toBeGreaterThan(40)
  for (const { text } of rows) {
    expect(text).not.toContain(planted)
    expect(text).not.toContain(password)
    expect(text).not.toMatch(/tcs_[\w-]{20}|sealed:|whsec_|\$2[aby]\$/)
  }
})
