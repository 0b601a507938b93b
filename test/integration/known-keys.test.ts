import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { hashToken } from '../../src/accounts/opaque-token.ts'
import { createKnownKeys, type KnownKeys } from '../../src/api/known-keys.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createUser } from '../../src/store/accounts.ts'
import { createKey, findKey, revokeKey, rotateKey } from '../../src/store/api-keys.ts'
import { changeUser } from '../../src/store/users.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const log = createLog({ level: 'silent', format: 'json' }, 'test')
let database: TestDatabase
let db: Database
let known: KnownKeys | undefined
let userId: string
let looks = 0
let nowMs = 0

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'known keys test' })
  userId = (await createUser(db, { username: 'ann', passwordHash: null })) ?? ''
})
afterEach(() => known?.close())
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

/** Two keys of Ann's, and a process that knows them. */
async function start() {
  known = createKnownKeys(database.url, log, { now: () => nowMs })
  const keys = []
  for (const name of ['one', 'two']) {
    const made = await createKey(db, userId, { name, scopes: ['events:read'], expiresAt: null })
    keys.push({ id: made?.id ?? '', hash: hashToken(made?.key ?? '') })
  }
  const [one, two] = keys
  if (one === undefined || two === undefined) throw new Error('No keys')
  await until('it remembers', async () => (await isLookedUp(one.hash)) === 0)
  return { one, two, known }
}
const find = (hash: Buffer) =>
  known?.find(hash, () => {
    looks += 1
    return findKey(db, hash)
  })
/** How often the key is looked up when it is asked for twice. */
const isLookedUp = async (hash: Buffer) => {
  await find(hash)
  const before = looks
  await find(hash)
  return looks - before
}
const isRefused = (hash: Buffer) =>
  until('it is refused', async () => (await find(hash)) === undefined, 2_000)

test('a key that was found is not looked up again for five seconds, and then it is', async () => {
  const { one } = await start()
  const before = looks
  for (let turn = 0; turn < 50; turn += 1) expect((await find(one.hash))?.user_id).toBe(userId)
  expect(looks).toBe(before)
  nowMs += 5_001
  await find(one.hash)
  expect(looks).toBe(before + 1)
})

test('a key that was revoked by another process is refused as soon as that is told', async () => {
  const { one, two } = await start()
  await revokeKey(db, userId, one.id)
  await isRefused(one.hash)
  expect((await find(two.hash))?.user_id).toBe(userId)
})

test('keys of a user who is switched off, who is an administrator no more, or who is deleted are looked up again', async () => {
  const { one } = await start()
  await changeUser(db, userId, { is_active: false })
  await isRefused(one.hash)
  await changeUser(db, userId, { is_active: true })
  expect((await find(one.hash))?.is_admin).toBe(false)
  await db`update users set is_admin = true where id = ${userId}`
  await until('it is known', async () => (await find(one.hash))?.is_admin === true)
  await db`update users set is_admin = false where id = ${userId}`
  await until('it is known', async () => (await find(one.hash))?.is_admin === false)

  const other = (await createUser(db, { username: 'bob', passwordHash: null })) ?? ''
  const made = await createKey(db, other, { name: 'x', scopes: ['events:read'], expiresAt: null })
  const hash = hashToken(made?.key ?? '')
  expect((await find(hash))?.user_id).toBe(other)
  await db`delete from users where id = ${other}`
  await isRefused(hash)
})

test('a note of a use tells nobody', async () => {
  const { one } = await start()
  await db`update api_keys set last_used_at = now() - interval '1 hour'`
  const before = looks
  await findKey(db, one.hash)
  const [used] =
    await db`select last_used_at > now() - interval '1 minute' as is_noted from api_keys where id = ${one.id}`
  expect(used?.is_noted).toBe(true)
  // What is told comes in order: the key that is told of by a rotation was not forgotten before.
  await find(one.hash)
  expect(looks).toBe(before)
})

test('a key that ends soon is known no longer than it lives', async () => {
  const { one } = await start()
  await rotateKey(db, userId, one.id, 400)
  await until('the rotation was told', async () => ((await find(one.hash))?.lives_ms ?? 0) > 0)
  const before = looks
  nowMs += 401
  await find(one.hash)
  expect(looks).toBe(before + 1)
  await until('it is refused', async () => {
    nowMs += 401
    return (await find(one.hash)) === undefined
  })
})

test('what was looked up while something was told is used once, and not remembered', async () => {
  const { one, known } = await start()
  known.forget()
  const found = await known.find(one.hash, async () => {
    const key = await findKey(db, one.hash)
    await revokeKey(db, userId, one.id)
    known.forget()
    return key
  })
  expect(found?.user_id).toBe(userId)
  expect(await find(one.hash)).toBeUndefined()
})

test('while nothing can be told nothing is remembered; when it can be again, it is', async () => {
  const { one } = await start()
  const kill = () =>
    db`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tocsin api keys' and datname = current_database()`
  expect((await kill()).length).toBe(1)
  await until('the loss is noticed', async () => (await isLookedUp(one.hash)) === 1)
  await revokeKey(db, userId, one.id)
  expect(await find(one.hash)).toBeUndefined()
  const made = await createKey(db, userId, { name: 'three', scopes: ['events:read'], expiresAt: null })
  const hash = hashToken(made?.key ?? '')
  await until('it listens again', async () => (await isLookedUp(hash)) === 0)
  await revokeKey(db, userId, made?.id ?? '')
  await isRefused(hash)
})

test('without a database it remembers nothing, and ends', async () => {
  const lost = createKnownKeys('postgres://tocsin@127.0.0.1:1/none', log)
  let asked = 0
  const key = { id: 'k', user_id: 'u', scopes: [], is_admin: false, lives_ms: null }
  for (let turn = 0; turn < 3; turn += 1) {
    await lost.find(Buffer.from('x'), async () => {
      asked += 1
      return key
    })
  }
  expect(asked).toBe(3)
  await lost.close()
})
