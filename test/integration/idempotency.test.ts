import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { maintainOnce } from '../../src/maintenance.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createUser } from '../../src/store/accounts.ts'
import { createKey } from '../../src/store/api-keys.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const token = 'a-token-for-tests'
const log = createLog({ level: 'silent', format: 'json' }, 'test')

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any

let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>
let userId: string
let annsKey: string

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'idempotency test' })
  userId = await ensureUser(db, 'bootstrap')
  app = createApp({ db, log, secrets: testSecrets, token, userId })
  const ann = await createUser(db, { username: 'ann', passwordHash: null })
  const scopes = ['triggers:write'] as const
  annsKey = (await createKey(db, ann ?? '', { name: 'k', scopes, expiresAt: null }))?.key ?? ''
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`truncate triggers, destinations, deliveries, idempotency_keys cascade`
})

async function post(
  path: string,
  key: string | undefined,
  body?: unknown,
  { credential = token, of = app }: { credential?: string; of?: typeof app } = {},
): Promise<{ status: number; headers: Headers; replayed: boolean; body: Body }> {
  const response = await of.request(path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${credential}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    replayed: response.headers.get('idempotency-replayed') === 'true',
    body: text === '' ? undefined : JSON.parse(text),
  }
}

const document = {
  name: 'Low scores',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [{ condition_type: 'score_threshold', operator: '<', value: 70 }],
  actions: [{ action_type: 'rest', config: { url: 'https://receiver.example/' } }],
}
const count = async (table: string) => (await db.unsafe(`select count(*) as rows from ${table}`))[0]?.rows

describe('a request with an Idempotency-Key', () => {
  test('is done once, and gets the same answer again, secrets that are shown once included', async () => {
    const first = await post('/v1/triggers', 'a', document)
    expect([first.status, first.replayed]).toEqual([201, false])
    const [action] = first.body.actions
    expect(action.signing_secret).toMatch(/^whsec_/)
    const again = await post('/v1/triggers', 'a', document)
    expect([again.status, again.replayed, again.body]).toEqual([201, true, first.body])
    for (const name of ['location', 'etag', 'content-type']) {
      expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)])
    }
    // The draft has the key in quotes.
    expect((await post('/v1/triggers', '"a"', document)).replayed).toBe(true)
    expect(await count('triggers')).toBe(1)
    // Nothing of it can be read in the database.
    const [row] = await db`select body, headers::text from idempotency_keys`
    expect(row?.body).toMatch(/^sealed:test:/)
    expect(JSON.stringify(row)).not.toContain(action.signing_secret)
    expect(JSON.stringify(row)).not.toContain('Low scores')
  })

  test('of twenty at once one is done, and the others are told to wait or get its answer', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post('/v1/triggers', 'at-once', document)),
    )
    expect(await count('triggers')).toBe(1)
    const made = answers.filter(({ status }) => status === 201)
    expect(made.filter(({ replayed }) => !replayed).length).toBe(1)
    expect(new Set(made.map(({ body }) => body.id)).size).toBe(1)
    for (const { status, body, headers } of answers) {
      if (status === 201) continue
      expect([status, body.type, headers.get('retry-after')]).toEqual([
        409,
        '/problems/request-under-way',
        '1',
      ])
    }
    expect((await post('/v1/triggers', 'at-once', document)).replayed).toBe(true)
  })

  test('that says something else than before is a 422', async () => {
    const { body: trigger } = await post('/v1/triggers', 'b', document)
    const others: [string, unknown][] = [
      ['/v1/triggers', { ...document, name: 'Other' }],
      ['/v1/triggers?x=1', document],
      [`/v1/triggers/${trigger.id}/conditions`, document.conditions[0]],
      [`/v1/triggers/${trigger.id}/duplicate`, undefined],
    ]
    for (const [path, body] of others) {
      const refused = await post(path, 'b', body)
      expect([path, refused.status, refused.body.type]).toEqual([
        path,
        422,
        '/problems/idempotency-key-reused',
      ])
    }
    expect(await count('triggers')).toBe(1)
  })

  test('is of one user: another has keys of their own', async () => {
    const mine = await post('/v1/triggers', 'c', document)
    const theirs = await post('/v1/triggers', 'c', document, { credential: annsKey })
    expect([theirs.status, theirs.replayed]).toEqual([201, false])
    expect(theirs.body.id).not.toBe(mine.body.id)
  })

  test('that is refused is refused the same way again, and has done nothing', async () => {
    const wrong = { ...document, name: '' }
    const first = await post('/v1/triggers', 'd', wrong)
    const again = await post('/v1/triggers', 'd', wrong)
    expect([first.status, again.status, again.replayed, again.body]).toEqual([400, 400, true, first.body])
    expect(again.headers.get('content-type')).toBe('application/problem+json')
    expect(await count('triggers')).toBe(0)
  })

  test.each(['', ' ', 'a b', 'ä', 'x'.repeat(256), '""'])('the key %j is a 400', async (key) => {
    const refused = await post('/v1/triggers', key, document)
    expect([refused.status, refused.body.type]).toEqual([400, '/problems/invalid-idempotency-key'])
    expect(await count('triggers')).toBe(0)
  })

  test('has a key of 255 characters', async () => {
    expect((await post('/v1/triggers', 'x'.repeat(255), document)).status).toBe(201)
  })

  test('that failed on our side is forgotten, with what it had begun', async () => {
    await db.unsafe(`
      create function fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
      create trigger fails before insert on trigger_actions for each row execute function fail()`)
    try {
      expect((await post('/v1/triggers', 'e', document)).status).toBe(500)
    } finally {
      await db.unsafe('drop trigger fails on trigger_actions; drop function fail()')
    }
    expect([await count('triggers'), await count('idempotency_keys')]).toEqual([0, 0])
    const done = await post('/v1/triggers', 'e', document)
    expect([done.status, done.replayed]).toEqual([201, false])
  })

  test('whose answer cannot be kept is not done', async () => {
    await db.unsafe(`
      create function fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
      create constraint trigger fails after insert on idempotency_keys deferrable initially deferred
        for each row execute function fail()`)
    try {
      const failed = await post('/v1/triggers', 'f', document)
      expect([failed.status, failed.headers.get('location')]).toEqual([500, null])
    } finally {
      await db.unsafe('drop trigger fails on idempotency_keys; drop function fail()')
    }
    expect(await count('triggers')).toBe(0)
    expect((await post('/v1/triggers', 'f', document)).status).toBe(201)
  })

  test('whose process died is free again, and nothing of it is there', async () => {
    const other = openDatabase(database.url, { name: 'idempotency dying' })
    const dying = createApp({ db: other, log, secrets: testSecrets, token, userId })
    // Held up in the middle of its work, which needs this table.
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const holder = db.begin(async (transaction) => {
      await transaction`lock table trigger_actions in exclusive mode`
      await held
    })
    const connected = () => db<{ waits: boolean }[]>`
      select wait_event_type is not distinct from 'Lock' as waits from pg_stat_activity
      where application_name = 'tocsin idempotency dying' and datname = current_database()`
    try {
      void post('/v1/triggers', 'g', document, { of: dying }).catch(() => {})
      await until('the request waits', async () => (await connected()).some(({ waits }) => waits))
      expect((await post('/v1/triggers', 'g', document)).body.type).toBe('/problems/request-under-way')
      // Its connections are cut off, as the system does for a process that is gone.
      await other.end({ timeout: 0 })
    } finally {
      release()
      await holder
    }
    await until('the server noticed', async () => (await connected()).length === 0)
    expect([await count('triggers'), await count('idempotency_keys')]).toEqual([0, 0])
    expect(await post('/v1/triggers', 'g', document)).toMatchObject({ status: 201, replayed: false })
  })

  test('is good for a day, and then forgotten', async () => {
    const first = await post('/v1/triggers', 'h', document)
    await db`update idempotency_keys set created_at = now() - interval '23 hours 59 minutes'`
    expect((await post('/v1/triggers', 'h', document)).replayed).toBe(true)
    await db`update idempotency_keys set created_at = now() - interval '24 hours 1 minute'`
    const second = await post('/v1/triggers', 'h', document)
    expect([second.status, second.replayed]).toEqual([201, false])
    expect(second.body.id).not.toBe(first.body.id)
    await post('/v1/triggers', 'young', document)
    await db`update idempotency_keys set created_at = now() - interval '24 hours 1 minute' where key = 'h'`
    await maintainOnce(db, { eventDays: undefined, resultDays: 90 })
    expect((await db`select key from idempotency_keys`).map(({ key }) => key)).toEqual(['young'])
  })

  test('works for everything that makes something', async () => {
    await db`insert into telegram_bots (bot_id, username) values (1, 'tocsin_bot') on conflict do nothing`
    const { body: trigger } = await post('/v1/triggers', undefined, document)
    const one = `/v1/triggers/${trigger.id}`
    const requests: [string, unknown?][] = [
      ['/v1/triggers', document],
      [`${one}/conditions`, document.conditions[0]],
      [`${one}/actions`, document.actions[0]],
      [`${one}/duplicate`],
      [`${one}/test`, {}],
      ['/v1/keys', { name: 'k', scopes: ['events:read'] }],
      ['/v1/telegram/link-codes'],
      ['/v1/deliveries/retry', { state: 'failed' }],
      [`/v1/destinations/${trigger.actions[0].destination_id}/secret/rotate`, {}],
    ]
    for (const [index, [path, body]] of requests.entries()) {
      const first = await post(path, `every-${index}`, body)
      expect([path, first.replayed], JSON.stringify(first.body)).toEqual([path, false])
      expect([200, 201, 202]).toContain(first.status)
      const again = await post(path, `every-${index}`, body)
      expect([path, again.status, again.replayed, again.body]).toEqual([path, first.status, true, first.body])
    }
    const key = await post('/v1/keys', 'every-5', { name: 'k', scopes: ['events:read'] })
    expect(key.headers.get('cache-control')).toBe('no-store')
    expect(await count('deliveries')).toBe(2)
    const described = (await (await app.request('/openapi.json')).json()) as Body
    const withKey = Object.entries<Body>(described.paths).flatMap(([path, { post: operation }]) =>
      operation?.parameters?.some(({ name }: Body) => name === 'Idempotency-Key') ? [path] : [],
    )
    expect(withKey.toSorted()).toEqual(
      [
        '/v1/deliveries/retry',
        '/v1/deliveries/{id}/retry',
        '/v1/destinations/{id}/secret/rotate',
        '/v1/keys',
        '/v1/keys/{id}/rotate',
        '/v1/telegram/link-codes',
        '/v1/triggers',
        '/v1/triggers/{id}/actions',
        '/v1/triggers/{id}/conditions',
        '/v1/triggers/{id}/duplicate',
        '/v1/triggers/{id}/test',
      ].toSorted(),
    )
  })

  test('does not wait for attempts, which begin only after its answer', async () => {
    const { body: trigger } = await post('/v1/triggers', undefined, document)
    const refused = await post(`/v1/triggers/${trigger.id}/test?wait=1`, 'i', {})
    expect([refused.status, refused.body.errors[0].path]).toEqual([400, 'wait'])
  })

  test('elsewhere the key has no meaning', async () => {
    const { body: trigger } = await post('/v1/triggers', undefined, document)
    const path = `/v1/triggers/${trigger.id}/disable`
    expect((await post(path, 'no such key', undefined)).status).toBe(200)
    expect(await count('idempotency_keys')).toBe(0)
  })
})
