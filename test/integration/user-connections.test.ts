import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { asUser } from '../../src/store/as-user.ts'
import { openUserConnections, type UserConnections } from '../../src/store/user-connections.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const name = 'user connections test'
const users = Array.from({ length: 20 }, (_, number) => `user-${number}`)
const prepared = { prepare: true }
const who =
  "select current_user::text as role, current_setting('app.current_user_id', true) as id, pg_backend_pid() as pid"
type Who = { role: string; id: string; pid: number }

let database: TestDatabase
let db: Database
let reads: UserConnections | undefined

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'owner' })
  for (const id of users) {
    await db`insert into users (id, username) values (${id}, ${id})`
    await db`insert into destinations (user_id, action_type, address) values (${id}, 'rest', ${`https://${id}.example`})`
  }
})
afterEach(async () => {
  await reads?.end()
  reads = undefined
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

function open(connectionsMax: number): UserConnections {
  reads = openUserConnections(database.url, { name, connectionsMax })
  return reads
}
const ask = async (from: UserConnections, id: string, text = who): Promise<Who[]> => [
  ...((await from.read(id, `${text} where $1 <> ''`, ['x'], prepared)) as Who[]),
]
// Not while the driver asks for the types of arrays, which it does once for itself: nobody could catch that error, and a process ends by it.
const kill = () => db`
  select pg_terminate_backend(pid) from pg_stat_activity
  where application_name = ${`tocsin ${name}`} and datname = current_database() and query <> '' and query not like '%typarray%'`

test.each([
  { usersMax: 20, connectionsMax: 2, readers: 20 },
  { usersMax: 3, connectionsMax: 2, readers: 20 },
  { usersMax: 2, connectionsMax: 2, readers: 3 },
  { usersMax: 2, connectionsMax: 3, readers: 6 },
])(
  '$readers readers for $usersMax users on $connectionsMax connections, which are killed all the time: nobody ever sees a row of another',
  async ({ usersMax, connectionsMax, readers }) => {
    const from = open(connectionsMax)
    const count = { seen: 0, refused: 0, killed: 0 }
    const isLost = (error: unknown) =>
      /^(CONNECTION_|57P01|08|E)/.test((error as { code?: string }).code ?? '')
    let running = true
    const killer = async () => {
      while (running) {
        count.killed += (await kill()).length
        const { seen } = count
        await until('some were read in between', () => !running || count.seen > seen + 20)
      }
    }
    const reader = async (number: number) => {
      for (let turn = 0; turn < 3000 / readers; turn += 1) {
        const id = users[(number * 7 + turn * 3 + (turn >> 3)) % usersMax] ?? ''
        // Some ask in the turn of the event loop in which they were answered, some in the next, some later.
        if (turn % 3 === 1) await new Promise(setImmediate)
        if (turn % 7 === 2) await delay((number + turn) % 5)
        try {
          const rows = (await asUser(db, id, from).unsafe(
            'select user_id, current_user::text as role from destinations where $1 <> $2',
            ['x', 'y'],
            prepared,
          )) as unknown
          expect([...(rows as unknown[])]).toEqual([{ user_id: id, role: 'tocsin_api' }])
          count.seen += 1
        } catch (error) {
          if (!isLost(error)) throw error
          count.refused += 1
        }
      }
    }
    const killing = killer()
    await Promise.all(Array.from({ length: readers }, (_, number) => reader(number))).finally(() => {
      running = false
    })
    await killing
    expect(count.seen + count.refused).toBe(3000)
    expect(count.killed).toBeGreaterThan(20)
    expect(count.seen).toBeGreaterThan(2000)
  },
  60_000,
)

test('a user who reads again gets the connection that is theirs already, and no more connections than may be', async () => {
  const from = open(3)
  const pids = new Map<string, number>()
  for (const id of ['user-0', 'user-1', 'user-2', 'user-1', 'user-0', 'user-2']) {
    const [row] = await ask(from, id)
    expect(row).toMatchObject({ role: 'tocsin_api', id })
    expect(row?.pid).toBe(pids.get(id) ?? row?.pid)
    pids.set(id, row?.pid ?? 0)
  }
  expect(new Set(pids.values()).size).toBe(3)
  const rows = await Promise.all([...users, ...users].map((id) => ask(from, id)))
  expect(rows.map(([row]) => row?.id)).toEqual([...users, ...users])
  expect(new Set(rows.map(([row]) => row?.pid)).size).toBe(3)
})

test('connections that were killed while nobody used them are replaced, and nobody notices', async () => {
  const from = open(2)
  const before = await Promise.all(['user-0', 'user-1'].map((id) => ask(from, id)))
  await kill()
  const after = await Promise.all(['user-0', 'user-1'].map((id) => ask(from, id)))
  expect(after.map(([row]) => row?.id)).toEqual(['user-0', 'user-1'])
  expect(after.map(([row]) => row?.pid)).not.toContain(before[0]?.[0]?.pid)
})

test('what was prepared for one user runs as the next one', async () => {
  const from = open(1)
  const text = 'select user_id from destinations'
  const seen = []
  for (const id of [...users, ...users]) seen.push(await ask(from, id, text))
  expect(seen.flat()).toEqual([...users, ...users].map((id) => ({ user_id: id })))
})

test('a query that fails says why, and the connection goes on', async () => {
  const from = open(1)
  const [before] = await ask(from, 'user-1')
  await expect(from.read('user-1', 'select 1 / $1::integer', [0])).rejects.toMatchObject({ code: '22012' })
  await expect(from.read('user-1', 'select * from users')).rejects.toMatchObject({ code: '42501' })
  expect((await ask(from, 'user-1'))[0]).toEqual(before)
})

test('nothing can be written on them; a query that does runs in a transaction instead', async () => {
  const from = open(1)
  await expect(from.read('user-1', 'delete from destinations')).rejects.toMatchObject({ code: '25006' })
  await db`create table if not exists noted (by text)`
  await db`grant select, insert on noted to tocsin_api`
  await db.unsafe(
    'create or replace function note() returns text language sql as $$ insert into noted values (app_user()) returning by $$',
  )
  for (const id of ['user-1', 'user-2']) {
    expect([...(await asUser(db, id, from).unsafe('select note() as by'))]).toEqual([{ by: id }])
  }
  const [own] = await asUser(db, 'user-3', from).unsafe(
    'update destinations set in_flight_max = 7 returning user_id',
  )
  expect(own).toEqual({ user_id: 'user-3' })
})

test('rows come out as they do in a transaction', async () => {
  const from = open(1)
  const text = `select 12345678901 as int8, 1.50::numeric as numeric, now() - now() + '2026-01-02 03:04:05.678Z'::timestamptz as at,
    '{"a":[1,{"b":null}]}'::jsonb as json, array['x', 'y"z'] as texts, array[1, 2]::bigint[] as numbers,
    '\\x00ff'::bytea as bytes, null as nothing, true as yes, $1::timestamptz as given, $2::text[] as list, $3::jsonb as document`
  const given = [new Date('2026-01-01T00:00:00Z'), ['a', 'b,c'], { deep: [1, 'two'] }] as never[]
  const [own] = await asUser(db, 'user-1', from).unsafe(text, given, prepared)
  const [before] = await asUser(db, 'user-1').unsafe(text, given, prepared)
  expect(own).toEqual(before)
  expect(own).toMatchObject({ int8: 12345678901, numeric: '1.50', yes: true, numbers: [1, 2] })
})

test('without a database, reads fail as other queries do, and work when it is there', async () => {
  const nowhere = openUserConnections('postgres://tocsin@127.0.0.1:1/none', { name, connectionsMax: 1 })
  for (let turn = 0; turn < 3; turn += 1) {
    await expect(nowhere.read('user-1', 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  }
  await nowhere.end()
  await expect(nowhere.read('user-1', 'select 1')).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
})

test('an owner that is no superuser can open them', async () => {
  const login = `tocsin_${database.url.split('_').at(-1)}`
  await db.unsafe(`create role ${login} login password 'x' nosuperuser; grant tocsin_api to ${login}`)
  const url = new URL(database.url)
  url.username = login
  url.password = 'x'
  const from = openUserConnections(url.href, { name, connectionsMax: 1 })
  try {
    expect((await ask(from, 'user-4'))[0]).toMatchObject({ role: 'tocsin_api', id: 'user-4' })
  } finally {
    await from.end()
    await db.unsafe(`drop role ${login}`)
  }
})

test('where connections are not the role that they were asked to be, nothing is read', async () => {
  const login = `plain_${database.url.split('_').at(-1)}`
  await db.unsafe(`create role ${login} login password 'x'`)
  const url = new URL(database.url)
  url.username = login
  url.password = 'x'
  const from = openUserConnections(url.href, { name, connectionsMax: 1 })
  try {
    await expect(ask(from, 'user-4')).rejects.toThrow('permission denied to set role')
  } finally {
    await from.end()
    await db.unsafe(`drop role ${login}`)
  }
})
