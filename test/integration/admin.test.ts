import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAccessTokens } from '../../src/accounts/access-tokens.ts'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { keyScopes } from '../../src/scopes.ts'
import { createUser } from '../../src/store/accounts.ts'
import { createKey } from '../../src/store/api-keys.ts'
import { startSession } from '../../src/store/sessions.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const operator = 'a-token-for-tests'

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any

let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>
let operatorId: string

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'admin test' })
  operatorId = await ensureUser(db, 'bootstrap')
  const log = createLog({ level: 'silent', format: 'json' }, 'test')
  app = createApp({ db, log, secrets: testSecrets, token: operator, userId: operatorId })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`delete from users where id <> ${operatorId}`
})

async function ask(
  credential: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Body }> {
  const response = await app.request(path, {
    method,
    headers: {
      authorization: `Bearer ${credential}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

async function someone(username: string, { isAdmin = false } = {}) {
  const id = await createUser(db, { username, passwordHash: null })
  if (id === undefined) throw new Error(`${username} is there already`)
  if (isAdmin) await db`update users set is_admin = true where id = ${id}`
  const { sessionId, refreshToken } = await startSession(db, id)
  const { token } = await createAccessTokens(db, testSecrets).issue({ userId: id, sessionId })
  const key = await createKey(db, id, { name: 'k', scopes: keyScopes, expiresAt: null })
  return { id, token, refreshToken, key: key?.key ?? '', path: `/v1/admin/users/${id}` }
}

const trigger = {
  name: 'secret of bob',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [],
  actions: [{ action_type: 'rest', config: { url: 'https://bob.example/' } }],
}

describe('users', () => {
  test('are listed in pages and found by name, for administrators alone', async () => {
    const ann = await someone('ann', { isAdmin: true })
    for (const name of ['bob', 'bobby', 'carl']) await someone(name)
    const names: string[] = []
    let cursor: string | null = null
    do {
      const next: string = cursor === null ? '' : `&cursor=${cursor}`
      const { status, body } = await ask(ann.token, 'GET', `/v1/admin/users?limit=2${next}`)
      expect(status).toBe(200)
      names.push(...body.data.map(({ username }: Body) => username))
      cursor = body.next_cursor
    } while (cursor !== null)
    expect(names).toEqual(['carl', 'bobby', 'bob', 'ann', 'bootstrap'])
    const found = await ask(ann.key, 'GET', '/v1/admin/users?username=bob')
    expect(found.body.data.map(({ username }: Body) => username)).toEqual(['bobby', 'bob'])
    expect((await ask(ann.key, 'GET', '/v1/admin/users?username=%25')).body.data).toEqual([])
    const bob = await someone('dora')
    for (const credential of [bob.token, bob.key]) {
      expect((await ask(credential, 'GET', '/v1/admin/users')).status).toBe(403)
      expect((await ask(credential, 'GET', bob.path)).status).toBe(403)
      expect((await ask(credential, 'PATCH', bob.path, { is_admin: true })).status).toBe(403)
    }
  })

  test('are shown with how much they have, and none of it', async () => {
    const bob = await someone('bob')
    await ask(bob.token, 'POST', '/v1/triggers', trigger)
    await ask(bob.token, 'POST', '/v1/triggers', { ...trigger, enabled: false })
    const { status, body } = await ask(operator, 'GET', bob.path)
    expect(status).toBe(200)
    expect(body).toEqual({
      id: bob.id,
      username: 'bob',
      is_admin: false,
      is_active: true,
      created_at: expect.any(String),
      last_login_at: null,
      has_password: false,
      wallets: 0,
      triggers: 2,
      triggers_enabled: 1,
      keys: 1,
      key_last_used_at: null,
    })
    for (const path of ['/v1/admin/users/nobody', '/v1/admin/users/%00']) {
      expect((await ask(operator, 'GET', path)).status).toBe(404)
      expect((await ask(operator, 'PATCH', path, { is_admin: true })).status).toBe(404)
    }
  })

  test('who are switched off are refused at once, and their triggers pause until they switch them on again', async () => {
    const bob = await someone('bob')
    const made = await ask(bob.token, 'POST', '/v1/triggers', trigger)
    const off = await ask(operator, 'PATCH', bob.path, { is_active: false })
    expect([off.status, off.body.is_active, off.body.triggers_enabled]).toEqual([200, false, 0])
    for (const credential of [bob.token, bob.key]) {
      expect((await ask(credential, 'GET', '/v1/me')).status).toBe(401)
    }
    const refresh = await ask('', 'POST', '/v1/auth/refresh', { refresh_token: bob.refreshToken })
    expect(refresh.status).toBe(401)
    const [row] = await db`select enabled, paused_reason from triggers where id = ${made.body.id}`
    expect(row).toEqual({ enabled: false, paused_reason: 'The account was switched off' })

    const on = await ask(operator, 'PATCH', bob.path, { is_active: true })
    expect([on.body.is_active, on.body.triggers_enabled]).toEqual([true, 0])
    // Keys are good again; sessions have ended.
    expect((await ask(bob.token, 'GET', '/v1/me')).status).toBe(401)
    const enabled = await ask(bob.key, 'POST', `/v1/triggers/${made.body.id}/enable`)
    expect(enabled.body).toMatchObject({ enabled: true, paused_at: null, generation: 2 })
  })

  test('become administrators, and are none any more from the next request on', async () => {
    await someone('ann', { isAdmin: true })
    const bob = await someone('bob')
    expect((await ask(operator, 'PATCH', bob.path, { is_admin: true })).body.is_admin).toBe(true)
    expect((await ask(bob.key, 'GET', '/v1/admin/users')).status).toBe(200)
    expect((await ask(bob.key, 'PATCH', bob.path, { is_admin: false })).body.is_admin).toBe(false)
    expect((await ask(bob.key, 'GET', '/v1/admin/users')).status).toBe(403)
  })

  test('of two administrators who remove each other at once one stays', async () => {
    for (const change of [{ is_admin: false }, { is_active: false }]) {
      await db`delete from users where id <> ${operatorId}`
      const admins = await Promise.all(
        ['ann', 'bea', 'cid', 'dan'].map((name) => someone(name, { isAdmin: true })),
      )
      const answers = await Promise.all(admins.map(({ path }) => ask(operator, 'PATCH', path, change)))
      expect(answers.filter(({ status }) => status === 200).length).toBe(3)
      const refused = answers.find(({ status }) => status !== 200)
      expect([refused?.status, refused?.body.detail]).toEqual([
        409,
        expect.stringContaining('last administrator'),
      ])
      const [left] = await db`select count(*) as admins from users where is_admin and is_active`
      expect(left?.admins).toBe(1)
    }
  })

  test('the installation itself cannot be switched off, and nonsense is a 400', async () => {
    const path = `/v1/admin/users/${operatorId}`
    expect((await ask(operator, 'PATCH', path, { is_active: false })).status).toBe(409)
    const bob = await someone('bob')
    for (const body of [{}, { is_admin: 'yes' }, { username: 'x' }, [], null]) {
      expect((await ask(operator, 'PATCH', bob.path, body)).status).toBe(400)
    }
    expect((await ask(operator, 'GET', '/v1/admin/users?name=x')).status).toBe(400)
  })
})
