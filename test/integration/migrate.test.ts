import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { UserError } from '../../src/errors.ts'
import {
  applyMigrations,
  dumpSchema,
  readMigrationStatus,
  rollbackMigrations,
  verifySchema,
} from '../../src/migrate.ts'
import { createTestDatabase } from '../support/test-database.ts'

const committedDump = readFileSync(new URL('../../sql/schema.sql', import.meta.url), 'utf8')
const migrations = fileURLToPath(new URL('../../migrations', import.meta.url))

let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database

beforeEach(async () => {
  database = await createTestDatabase()
  db = openDatabase(database.url, { name: 'test', connectionsMax: 2 })
})
afterEach(async () => {
  await db?.end()
  await database?.drop()
})

describe('migrations', () => {
  it('make the schema that is committed as sql/schema.sql', async () => {
    await applyMigrations(database.url)
    expect(await dumpSchema(db)).toBe(committedDump)
  })

  it('applied, taken back to nothing and applied again, leave the same schema', async () => {
    const applied = await applyMigrations(database.url)
    const [before] =
      await db`select count(*) as count from pg_class where relnamespace = 'public'::regnamespace`
    expect(await rollbackMigrations(database.url, applied.length)).toEqual(applied.toReversed())
    expect(await dumpSchema(db)).not.toContain('create table')
    await applyMigrations(database.url)
    expect(await dumpSchema(db)).toBe(committedDump)
    const [after] =
      await db`select count(*) as count from pg_class where relnamespace = 'public'::regnamespace`
    expect(after).toEqual(before)
  })

  it('are applied once when several processes start at the same time', async () => {
    const results = await Promise.all(Array.from({ length: 4 }, () => applyMigrations(database.url)))
    expect(results.filter((names) => names.length > 0)).toHaveLength(1)
    expect(await verifySchema(db)).toEqual([])
  })

  it('are listed with what is applied and what is not', async () => {
    expect((await readMigrationStatus(db)).every(({ applied_at }) => applied_at === null)).toBe(true)
    const names = await applyMigrations(database.url)
    await rollbackMigrations(database.url, 1)
    const status = await readMigrationStatus(db)
    expect(status.map(({ name }) => name)).toEqual(names)
    expect(status.map(({ applied_at }) => applied_at === null)).toEqual(
      names.map((name) => name === names.at(-1)),
    )
  })

  it('change nothing when one of them is broken, and name it with the reason', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-migrations-'))
    cpSync(migrations, folder, { recursive: true })
    const broken =
      '-- Up Migration\ncreate table half_done (id int);\nselect no_such_function();\n-- Down Migration\n'
    writeFileSync(join(folder, '9999_broken.sql'), broken)
    try {
      const failure = applyMigrations(database.url, folder)
      await expect(failure).rejects.toThrow(UserError)
      await expect(failure).rejects.toThrow(
        /migration 9999_broken: function no_such_function\(\) does not exist/,
      )
      expect((await db`select to_regclass('half_done') as found`)[0]?.found).toBeNull()
      expect(await verifySchema(db)).toEqual([])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('make partitions ahead of time where there is no TimescaleDB, and none twice', async () => {
    await applyMigrations(database.url)
    const [storage] =
      await db`select exists (select from pg_partitioned_table where partrelid = 'events'::regclass) as native`
    const [first] = await db`select ensure_events_partitions(now() + interval '5 months') as made`
    const [second] = await db`select ensure_events_partitions(now() + interval '5 months') as made`
    expect(first?.made).toBe(storage?.native ? 2 : 0)
    expect(second?.made).toBe(0)
  })
})

describe('verifySchema', () => {
  it('names what is missing, different, and not ours', async () => {
    await applyMigrations(database.url)
    await db`drop index deliveries_due`
    await db`alter table users alter column email set not null`
    await db`create table leftover (id int)`
    await db`create or replace function set_updated_at() returns trigger language plpgsql as 'begin return null; end'`
    expect(await verifySchema(db)).toEqual([
      {
        kind: 'different',
        object: 'function set_updated_at()',
        detail: expect.stringContaining('new.updated_at := now()'),
      },
      { kind: 'missing', object: 'index deliveries_due', detail: 'index deliveries_due does not exist' },
      {
        kind: 'different',
        object: 'table users',
        detail: 'expected: email text; found: email text not null',
      },
      { kind: 'unexpected', object: 'table leftover', detail: 'table leftover is not Tocsin’s' },
    ])
  })
})
