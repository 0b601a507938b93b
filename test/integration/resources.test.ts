import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { problemTypes } from '../../src/api/problem-types.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { openHeaders } from '../../src/header-values.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createUser } from '../../src/store/accounts.ts'
import { createKey } from '../../src/store/api-keys.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const token = 'a-token-for-tests'
const triggersMax = 5

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any
type Answer = { status: number; headers: Headers; tag: string; body: Body }

let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>
/** A key of an ordinary user. */
let annsKey: string

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'resources test' })
  const log = createLog({ level: 'silent', format: 'json' }, 'test')
  const userId = await ensureUser(db, 'bootstrap')
  app = createApp({ db, log, secrets: testSecrets, token, userId, triggersMax })
  const ann = await createUser(db, { username: 'ann', passwordHash: null })
  const scopes = ['triggers:read', 'triggers:write'] as const
  annsKey = (await createKey(db, ann ?? '', { name: 'k', scopes, expiresAt: null }))?.key ?? ''
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`truncate triggers, destinations, deliveries cascade`
})

async function ask(
  method: string,
  path: string,
  body?: unknown,
  { credential = token, ...headers }: Record<string, string> = {},
): Promise<Answer> {
  const response = await app.request(path, {
    method,
    headers: {
      authorization: `Bearer ${credential}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    tag: response.headers.get('etag') ?? '',
    body: text === '' ? undefined : JSON.parse(text),
  }
}

const low = { condition_type: 'score_threshold', operator: '<', value: 70 }
const rest = (url = 'https://receiver.example/hook', config: object = {}) => ({
  action_type: 'rest',
  config: { url, ...config },
})
const document = {
  name: 'Low scores',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [low],
  actions: [rest()],
}

async function create(fields: object = {}): Promise<Answer & { path: string }> {
  const made = await ask('POST', '/v1/triggers', { ...document, ...fields })
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  return { ...made, path: `/v1/triggers/${made.body.id}` }
}

describe('conditions below a trigger', () => {
  test('are listed, added, read, replaced and taken away, each as a version of the trigger', async () => {
    const { path, body: trigger } = await create()
    const added = await ask('POST', `${path}/conditions`, { condition_type: 'agent_id_equals', value: 7 })
    const second = {
      position: 1,
      condition_type: 'agent_id_equals',
      field: 'agent_id',
      operator: '=',
      value: '7',
      config: {},
    }
    expect([added.status, added.body]).toEqual([201, second])
    expect(added.headers.get('location')).toBe(`${path}/conditions/1`)
    expect((await ask('GET', `${path}/conditions/1`)).body).toEqual(second)

    const listed = await ask('GET', `${path}/conditions`)
    expect(listed.body).toEqual({
      data: [{ position: 0, ...trigger.conditions[0] }, second],
      next_cursor: null,
    })

    // What was read can be sent back as it is.
    const replaced = await ask('PUT', `${path}/conditions/1`, { ...second, value: '8' })
    expect([replaced.status, replaced.body]).toEqual([200, { ...second, value: '8' }])
    const before = (await ask('GET', path)).body
    expect([before.version, before.generation]).toEqual([3, 3])
    expect((await ask('DELETE', `${path}/conditions/0`)).status).toBe(204)
    const after = await ask('GET', path)
    expect(after.body.conditions).toEqual([replaced.body].map(({ position: _, ...condition }) => condition))
    expect([after.body.version, after.body.generation]).toEqual([4, 4])
    expect(after.tag).toBe((await ask('GET', `${path}/conditions/0`)).tag)
  })

  test('a replacement by the same is a version and no generation', async () => {
    const { path } = await create()
    expect((await ask('PUT', `${path}/conditions/0`, low)).status).toBe(200)
    expect((await ask('GET', path)).body).toMatchObject({ version: 2, generation: 1 })
  })

  test('what is wrong with a condition is named by its own path, and what would be with the trigger by the trigger’s', async () => {
    const { path } = await create({
      conditions: [low],
      cooldown: { period: '5m', scope: 'tag' },
    })
    const wrong = await ask('POST', `${path}/conditions`, { ...low, x: 1, y: 2 })
    expect(wrong.status).toBe(400)
    expect(wrong.body.errors.map(({ path: at }: { path: string }) => at).toSorted()).toEqual(['x', 'y'])
    const unfit = await ask('PUT', `${path}/conditions/0`, {
      condition_type: 'event_type_equals',
      value: 'FeedbackRevoked',
    })
    expect([unfit.status, unfit.body.errors[0].path]).toEqual([422, 'cooldown.scope'])
    const full = await create({ conditions: Array(50).fill(low) })
    const tooMany = await ask('POST', `${full.path}/conditions`, low)
    expect([tooMany.status, tooMany.body.type]).toEqual([422, '/problems/unfit'])
    expect(tooMany.body.errors[0].path).toBe('conditions')
    expect((await ask('GET', full.path)).body.version).toBe(1)
  })

  test.each(['1', '-1', '00', 'x', '%00', '1e0'])('there is no condition %s', async (position) => {
    const { path } = await create()
    for (const method of ['GET', 'DELETE']) {
      expect((await ask(method, `${path}/conditions/${position}`)).status).toBe(404)
    }
    expect((await ask('PUT', `${path}/conditions/${position}`, low)).status).toBe(404)
    expect((await ask('GET', path)).body.version).toBe(1)
  })
})

describe('actions below a trigger', () => {
  test('keep their ids, whatever happens to the others', async () => {
    const { path, body: trigger } = await create()
    const [first] = trigger.actions
    const added = await ask('POST', `${path}/actions`, rest('https://other.example/'))
    expect(added.status).toBe(201)
    expect(added.body.signing_secret).toMatch(/^whsec_/)
    expect(added.headers.get('location')).toBe(`${path}/actions/${added.body.id}`)
    const { signing_secret: _, ...second } = added.body
    expect((await ask('GET', `${path}/actions/${second.id}`)).body).toEqual(second)
    expect((await ask('DELETE', `${path}/actions/${first.id}`)).status).toBe(204)
    const replaced = await ask('PUT', `${path}/actions/${second.id}`, { ...second, priority: 9 })
    expect([replaced.status, replaced.body]).toEqual([200, { ...second, priority: 9 }])
    expect((await ask('GET', `${path}/actions`)).body.data).toEqual([replaced.body])
    expect((await ask('GET', path)).body).toMatchObject({ version: 4, generation: 1 })
  })

  test('keep hidden header values, and do not send them elsewhere', async () => {
    const { path, body: trigger } = await create({
      actions: [rest('https://receiver.example/', { headers: { Authorization: 'Bearer geheim' } })],
    })
    const [{ signing_secret: _, ...action }] = trigger.actions
    expect(action.config.headers).toEqual({ Authorization: '***' })
    const moved = await ask('PUT', `${path}/actions/${action.id}`, {
      ...action,
      config: { ...action.config, url: 'https://thief.example/' },
    })
    expect([moved.status, moved.body.errors[0].path]).toEqual([400, 'config.headers.Authorization'])
    expect((await ask('PUT', `${path}/actions/${action.id}`, { ...action, alerts: true })).status).toBe(200)
    expect(await headersOf(action.id)).toEqual({ Authorization: 'Bearer geheim' })
  })

  test('the last one stays, and one that is not there is a 404', async () => {
    const { path, body: trigger } = await create()
    const other = await create()
    const last = await ask('DELETE', `${path}/actions/${trigger.actions[0].id}`)
    expect([last.status, last.body.errors[0].path]).toEqual([422, 'actions'])
    expect((await ask('GET', `${path}/actions/${other.body.actions[0].id}`)).status).toBe(404)
    const strange = { ...rest(), id: other.body.actions[0].id }
    expect((await ask('PUT', `${path}/actions/${trigger.actions[0].id}`, strange)).status).toBe(400)
    expect((await ask('POST', `${path}/actions`, strange)).body.errors[0].path).toBe('id')
  })
})

async function headersOf(actionId: number): Promise<Record<string, string>> {
  const [row] = await db<{ user_id: string; config: { url: string; headers: Record<string, string> } }[]>`
    select t.user_id, a.config from trigger_actions a join triggers t on t.id = a.trigger_id where a.id = ${actionId}`
  if (row === undefined) throw new Error('no such action')
  return openHeaders(testSecrets, { userId: row.user_id, url: row.config.url }, row.config.headers)
}

describe('switches', () => {
  test('a trigger is switched off and on, once each', async () => {
    const { path, body: made } = await create()
    const off = await ask('POST', `${path}/disable`)
    expect([off.status, off.body.enabled, off.body.version]).toEqual([200, false, 2])
    expect((await ask('POST', `${path}/disable`)).body).toEqual(off.body)
    await db`update triggers set active_since = now() - interval '1 day'`
    const on = await ask('POST', `${path}/enable`)
    expect(on.body).toMatchObject({ enabled: true, version: 3, generation: 2 })
    expect(Date.parse(on.body.active_since)).toBeGreaterThanOrEqual(Date.parse(made.active_since))
    expect((await ask('POST', `${path}/enable`)).body).toEqual(on.body)
  })

  test('switching on ends a pause, which its tag knows', async () => {
    const { path, tag } = await create()
    await db`update triggers set enabled = false, paused_at = now(), paused_reason = 'too long'`
    const paused = await ask('GET', path, undefined, { 'if-none-match': tag })
    expect([paused.status, paused.body.paused_reason]).toEqual([200, 'too long'])
    expect((await ask('POST', `${path}/enable`, undefined, { 'if-match': tag })).status).toBe(412)
    const on = await ask('POST', `${path}/enable`, undefined, { 'if-match': paused.tag })
    expect(on.body).toMatchObject({ enabled: true, paused_at: null, paused_reason: null })
  })

  test('a trigger whose chain is not known any more can be switched off, not on', async () => {
    const { path, body } = await create()
    await db`update triggers set chain_id = 4711`
    expect((await ask('POST', `${path}/disable`)).body).toMatchObject({ enabled: false, generation: 1 })
    const on = await ask('POST', `${path}/enable`)
    expect([on.status, on.body.errors[0].path]).toEqual([400, 'chain_id'])
    expect(body.enabled).toBe(true)
  })

  test('a copy is switched off, has a name and rows of its own, and the secrets that belong to it', async () => {
    const { path, body: original } = await create({
      max_fires: { count: 3, scope: 'trigger' },
      conditions: [
        low,
        { condition_type: 'rate_limit', value: 3, config: { time_window: '1h', scope: 'trigger' } },
      ],
      actions: [rest('https://receiver.example/', { headers: { Authorization: 'Bearer geheim' } })],
    })
    const copy = await ask('POST', `${path}/duplicate`)
    expect(copy.status, JSON.stringify(copy.body)).toBe(201)
    expect(copy.headers.get('location')).toBe(`/v1/triggers/${copy.body.id}`)
    expect(copy.body).toMatchObject({
      name: 'Low scores (copy)',
      enabled: false,
      version: 1,
      conditions: original.conditions,
      max_fires: original.max_fires,
    })
    expect(copy.body.id).not.toBe(original.id)
    const [action] = copy.body.actions
    // The destination is the same one, and has its signing secret.
    expect(action).not.toHaveProperty('signing_secret')
    expect(action.destination_id).toBe(original.actions[0].destination_id)
    expect(action.id).not.toBe(original.actions[0].id)
    expect(await headersOf(action.id)).toEqual({ Authorization: 'Bearer geheim' })
    const long = await create({ name: '🦺'.repeat(100) })
    expect((await ask('POST', `${long.path}/duplicate`)).body.name).toBe(`${'🦺'.repeat(96)} (copy)`)
  })
})

describe('ETag', () => {
  test('a change by somebody else is a 412 that names the present version', async () => {
    const { path, tag, body } = await create()
    expect(tag).toBe(`"${body.id}.1"`)
    const replaced = await ask('PUT', path, { ...document, name: 'Mine' }, { 'if-match': tag })
    expect([replaced.status, replaced.tag]).toEqual([200, `"${body.id}.2"`])
    const action = `${path}/actions/${body.actions[0].id}`
    const attempts: [string, string, unknown?][] = [
      ['PUT', path, document],
      ['DELETE', path],
      ['POST', `${path}/enable`],
      ['POST', `${path}/disable`],
      ['POST', `${path}/conditions`, low],
      ['PUT', `${path}/conditions/0`, low],
      ['DELETE', `${path}/conditions/0`],
      ['POST', `${path}/actions`, rest()],
      ['PUT', action, rest()],
      ['DELETE', action],
    ]
    for (const [method, at, given] of attempts) {
      for (const stale of [tag, `W/${replaced.tag}`, '"x"', 'x']) {
        const refused = await ask(method, at, given, { 'if-match': stale })
        expect([method, at, refused.status, refused.tag]).toEqual([method, at, 412, replaced.tag])
        expect(refused.body.type).toBe('/problems/version-mismatch')
        expect(refused.body.detail).toContain('version 2')
      }
    }
    expect((await ask('GET', path)).body).toMatchObject({ name: 'Mine', version: 2 })
    const any = `"other", ${replaced.tag}`
    expect((await ask('POST', `${path}/disable`, undefined, { 'if-match': any })).status).toBe(200)
    expect((await ask('DELETE', path, undefined, { 'if-match': '*' })).status).toBe(204)
    expect((await ask('DELETE', path, undefined, { 'if-match': '*' })).status).toBe(404)
  })

  test('of many changes with one tag one is made', async () => {
    const { path, tag } = await create()
    const names = Array.from({ length: 8 }, (_, index) => `Change ${index}`)
    const answers = await Promise.all(
      names.map((name) => ask('PUT', path, { ...document, name }, { 'if-match': tag })),
    )
    const won = answers.filter(({ status }) => status === 200)
    expect(won.length).toBe(1)
    expect(answers.filter(({ status }) => status === 412).length).toBe(7)
    expect((await ask('GET', path)).body).toMatchObject({ version: 2, name: won[0]?.body.name })
  })

  test('conditions that are added at the same time are all there', async () => {
    const { path } = await create()
    const values = [1, 2, 3, 4, 5, 6]
    const answers = await Promise.all(
      values.map((value) => ask('POST', `${path}/conditions`, { ...low, value })),
    )
    expect(answers.map(({ status }) => status)).toEqual(values.map(() => 201))
    expect(answers.map(({ body }) => body.position).toSorted()).toEqual(values)
    const { body } = await ask('GET', path)
    expect(
      body.conditions
        .slice(1)
        .map(({ value }: Body) => Number(value))
        .toSorted(),
    ).toEqual(values)
    expect(body.version).toBe(7)
  })

  test('what is known already is a 304 without a body', async () => {
    const { path, tag, body } = await create()
    for (const at of [
      path,
      `${path}/conditions`,
      `${path}/actions`,
      `${path}/actions/${body.actions[0].id}`,
    ]) {
      for (const known of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
        const answer = await ask('GET', at, undefined, { 'if-none-match': known })
        expect([at, answer.status, answer.tag, answer.body]).toEqual([at, 304, tag, undefined])
      }
      expect((await ask('GET', at, undefined, { 'if-none-match': '"x"' })).status).toBe(200)
    }
  })

  test('holds for destinations, with everything that is shown of them', async () => {
    const { body } = await create()
    const path = `/v1/destinations/${body.actions[0].destination_id}`
    const { tag } = await ask('GET', path)
    expect((await ask('GET', path, undefined, { 'if-none-match': tag })).status).toBe(304)
    const limited = await ask('PATCH', path, { in_flight_max: 3 }, { 'if-match': tag })
    expect([limited.status, limited.body.in_flight_max]).toEqual([200, 3])
    const attempts: [string, string, unknown?][] = [
      ['PATCH', path, { in_flight_max: 4 }],
      ['POST', `${path}/reset`],
      ['POST', `${path}/secret/rotate`, {}],
    ]
    for (const [method, at, given] of attempts) {
      const refused = await ask(method, at, given, { 'if-match': tag })
      expect([method, at, refused.status, refused.tag]).toEqual([method, at, 412, limited.tag])
    }
    await db`update destinations set breaker = 'open', failures = 5`
    const opened = await ask('GET', path, undefined, { 'if-none-match': limited.tag })
    expect([opened.status, opened.body.in_flight_max]).toEqual([200, 3])
    const reset = await ask('POST', `${path}/reset`, undefined, { 'if-match': opened.tag })
    expect([reset.status, reset.body.breaker]).toEqual([200, 'closed'])
    const rotated = await ask('POST', `${path}/secret/rotate`, {}, { 'if-match': reset.tag })
    expect([rotated.status, rotated.body.signing_secret]).toEqual([200, expect.stringMatching(/^whsec_/)])
    expect((await ask('GET', path)).tag).not.toBe(reset.tag)
  })
})

describe('limits', () => {
  test('a user has so many triggers and no more, however many are made at once; who runs the installation has any number', async () => {
    const credential = annsKey
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => ask('POST', '/v1/triggers', document, { credential })),
    )
    expect(answers.filter(({ status }) => status === 201).length).toBe(triggersMax)
    const refused = answers.find(({ status }) => status !== 201)
    expect([refused?.status, refused?.body.type]).toEqual([409, '/problems/limit-reached'])
    expect(refused?.body.detail).toContain(`${triggersMax} triggers`)
    const made = answers.find(({ status }) => status === 201)?.body
    const copy = await ask('POST', `/v1/triggers/${made.id}/duplicate`, undefined, { credential })
    expect(copy.status).toBe(409)
    await ask('DELETE', `/v1/triggers/${made.id}`, undefined, { credential })
    expect((await ask('POST', '/v1/triggers', document, { credential })).status).toBe(201)
    for (let made = 0; made <= triggersMax; made++) await create()
  })

  test('a body nests 32 levels deep at most, and the answer names the place', async () => {
    const nested = (levels: number): unknown => (levels === 0 ? {} : { a: nested(levels - 1) })
    const within = await ask('POST', '/v1/triggers', nested(31))
    expect(within.body.type).toBe('/problems/invalid-request')
    const deep = await ask('POST', '/v1/triggers', { list: [nested(40)] })
    expect([deep.status, deep.body.type]).toEqual([400, '/problems/invalid-json'])
    expect(deep.body.errors).toEqual([
      { path: `list[0]${'.a'.repeat(30)}`, message: 'nested deeper than 32 levels' },
    ])
    const response = await app.request('/v1/triggers', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    })
    expect(response.status).toBe(400)
  })
})

describe('types of problems', () => {
  test('lead to what they mean', async () => {
    for (const [name, { status, title, text }] of Object.entries(problemTypes)) {
      const response = await app.request(`/problems/${name}`)
      expect(await response.json()).toEqual({ type: `/problems/${name}`, status, title, text })
    }
    const { status, body } = await ask('GET', '/problems/toString')
    expect([status, body.type]).toEqual([404, '/problems/not-found'])
  })
})
