import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { asUser } from '../../src/store/as-user.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
let db: Database

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'as-user test', connectionsMax: 1 })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

const who = "select current_user::text as role, current_setting('app.current_user_id', true) as id"
const prepared = { prepare: true }

test('queries of many users on one connection each run as their own, and the next one as the owner', async () => {
  const ids = Array.from({ length: 50 }, (_, index) => `user-${index}`)
  const rows = await Promise.all(
    ids.map((id) => asUser(db, id).unsafe(`${who} where $1 <> ''`, ['x'], prepared)),
  )
  expect(rows.map(([row]) => row)).toEqual(ids.map((id) => ({ role: 'tocsin_api', id })))
  const [owner] = await db.unsafe(who)
  expect(owner?.role).not.toBe('tocsin_api')
  expect(owner?.id).toBe('')
})

test('a query that the driver sends again, because its table was changed, still runs as the user', async () => {
  await db`create table changing (secret text)`
  await db`insert into changing values ('hidden')`
  await db`alter table changing enable row level security`
  await db`grant select on changing to tocsin_api`
  const read = () =>
    asUser(db, 'somebody').unsafe('select * from changing where $1 <> $2', ['x', 'y'], prepared)
  expect(await read()).toEqual([])
  // The plan that is prepared on this connection does not fit any more.
  await db`alter table changing add column more integer`
  expect(await read().catch((error: unknown) => String(error))).not.toContainEqual(
    expect.objectContaining({ secret: 'hidden' }),
  )
  expect(await read()).toEqual([])
})

test('a query that fails says why, and leaves the connection as it was', async () => {
  await expect(asUser(db, 'somebody').unsafe('select 1 / 0')).rejects.toThrow('division by zero')
  await expect(asUser(db, 'somebody').unsafe('update users set is_admin = true')).rejects.toThrow(
    'permission denied',
  )
  const [row] = await asUser(db, 'another').unsafe(who)
  expect(row).toEqual({ role: 'tocsin_api', id: 'another' })
})
