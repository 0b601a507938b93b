import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import { createUser } from '../../src/store/accounts.ts'
import { createKey } from '../../src/store/api-keys.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const operator = 'the-token-of-the-installation'

let database: TestDatabase
let db: Database
let operatorId: string
let users = 0

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'rate limit test' })
  operatorId = await ensureUser(db, 'bootstrap')
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`delete from rate_limits`
})

const rate = (count: number) => ({ count, windowSeconds: 60 })

/** One process of the API. */
function start({ credential = 100, anonymous = 100, costly = 100, trusted = '' } = {}) {
  const app = createApp({
    db,
    log: createLog({ level: 'silent', format: 'json' }, 'test'),
    secrets: testSecrets,
    token: operator,
    userId: operatorId,
    rateLimits: {
      credential: rate(credential),
      anonymous: rate(anonymous),
      costly: rate(costly),
      trustedProxies: parseCidrs(trusted),
    },
  })
  return (
    path: string,
    options: { token?: string; from?: string; forwarded?: string; method?: string; body?: string } = {},
  ) => {
    const { token, from = '192.0.2.1', forwarded, method = 'GET', body } = options
    const headers: Record<string, string> = { 'content-type': 'application/json' }
    if (token !== undefined) headers.authorization = `Bearer ${token}`
    if (forwarded !== undefined) headers['x-forwarded-for'] = forwarded
    const init = { method, headers, ...(body === undefined ? {} : { body }) }
    return app.request(path, init, { incoming: { socket: { remoteAddress: from } } })
  }
}

async function someone(): Promise<string> {
  users += 1
  const id = await createUser(db, { username: `user-${users}`, passwordHash: null })
  const key = await createKey(db, id ?? '', { name: 'k', scopes: ['triggers:read'], expiresAt: null })
  return key?.key ?? ''
}

const usedOf = async (prefix: string) => {
  const rows = await db<
    { points: number }[]
  >`select points from rate_limits where starts_with(key, ${prefix})`
  return rows.reduce((sum, { points }) => sum + points, 0)
}

test('two processes share the limit of a user, who is told how much is left and when to come again', async () => {
  const [one, two] = [start({ credential: 4 }), start({ credential: 4 })]
  const token = await someone()
  const first = await one('/v1/triggers', { token })
  expect(first.status).toBe(200)
  expect(first.headers.get('ratelimit-policy')).toBe('"credential";q=4;w=60')
  expect(first.headers.get('ratelimit')).toBe('"credential";r=3;t=60')
  for (let asked = 1; asked < 4; asked++) expect((await one('/v1/triggers', { token })).status).toBe(200)
  await vi.waitFor(async () => expect(await usedOf('credential')).toBe(4))

  // The other process hears of it when it settles its own first request.
  await vi.waitFor(async () => expect((await two('/v1/triggers', { token })).status).toBe(429))
  const refused = await two('/v1/triggers', { token })
  expect(refused.headers.get('content-type')).toBe('application/problem+json')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(refused.headers.get('ratelimit')).toMatch(/^"credential";r=0;t=\d+$/)
  expect((await two('/v1/triggers', { token: await someone() })).status).toBe(200)
  expect(await (await two('/metrics')).text()).toMatch(
    /tocsin_rate_limited_total\{limit="credential"\} [1-9]/,
  )
})

test('the installation’s own token and the health of the process have no limit', async () => {
  const ask = start({ credential: 1, anonymous: 1 })
  for (let asked = 0; asked < 3; asked++) {
    expect((await ask('/v1/triggers', { token: operator })).status).toBe(200)
    expect((await ask('/healthz')).status).toBe(200)
  }
})

test('refused credentials count against the address; good ones from there are still taken', async () => {
  const ask = start({ anonymous: 3 })
  for (let asked = 0; asked < 3; asked++) {
    const { status, headers } = await ask('/v1/triggers', { token: 'x' })
    expect([status, headers.get('ratelimit')]).toEqual([401, `"anonymous";r=${2 - asked};t=60`])
  }
  expect((await ask('/v1/triggers', { token: 'x' })).status).toBe(429)
  expect((await ask('/v1/triggers', { token: 'x', from: '192.0.2.2' })).status).toBe(401)
  expect((await ask('/v1/triggers', { token: await someone() })).status).toBe(200)
})

test('what a credential may not do counts, too', async () => {
  const ask = start({ credential: 2 })
  const token = await someone()
  for (let asked = 0; asked < 2; asked++) {
    const { status, headers } = await ask('/v1/events', { token })
    expect([status, headers.get('ratelimit')]).toEqual([403, `"credential";r=${1 - asked};t=60`])
  }
  expect((await ask('/v1/events', { token })).status).toBe(429)
})

test('costly requests have a limit that is exact over processes, before the body is read', async () => {
  const processes = [start({ costly: 5 }), start({ costly: 5 })]
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      processes[index % 2]?.('/v1/auth/login', { method: 'POST', body: 'no json' }),
    ),
  )
  const count = (status: number) => answers.filter((answer) => answer?.status === status).length
  expect([count(400), count(429)]).toEqual([5, 7])
})

test('X-Forwarded-For counts only where a trusted proxy wrote it', async () => {
  const open = start({ anonymous: 1 })
  expect((await open('/v1/me', { forwarded: '198.51.100.1' })).status).toBe(401)
  expect((await open('/v1/me', { forwarded: '198.51.100.2' })).status).toBe(429)
  const behind = start({ anonymous: 1, trusted: '10.0.0.0/8' })
  const from = '::ffff:10.0.0.1'
  expect((await behind('/v1/me', { from, forwarded: '198.51.100.1' })).status).toBe(401)
  expect((await behind('/v1/me', { from, forwarded: '198.51.100.2' })).status).toBe(401)
  // What the client wrote itself stands to the left.
  expect((await behind('/v1/me', { from, forwarded: '203.0.113.9, 198.51.100.1, 10.2.2.2' })).status).toBe(
    429,
  )
  expect((await behind('/v1/me', { from: '2001:db8::1' })).status).toBe(401)
  expect((await behind('/v1/me', { from: '2001:db8::ffff:2' })).status).toBe(429)
})

test('when the table cannot be used, each process goes on with its own limits and says so', async () => {
  await db`alter table rate_limits rename to rate_limits_away`
  try {
    const ask = start({ credential: 3, costly: 2 })
    const token = await someone()
    const login = () => ask('/v1/auth/login', { method: 'POST', body: 'no json' })
    expect([(await login()).status, (await login()).status, (await login()).status]).toEqual([400, 400, 429])
    for (let asked = 0; asked < 3; asked++) expect((await ask('/v1/triggers', { token })).status).toBe(200)
    expect((await ask('/v1/triggers', { token })).status).toBe(429)
    expect(await (await ask('/metrics')).text()).toMatch(/tocsin_rate_limit_store_failures_total [1-9]/)
  } finally {
    await db`alter table rate_limits_away rename to rate_limits`
  }
})
