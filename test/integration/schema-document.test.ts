import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createTestDatabase } from '../support/test-database.ts'

const text = readFileSync(new URL('../../docs/schema.md', import.meta.url), 'utf8')
let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test', connectionsMax: 1 })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

it('every query of docs/schema.md runs', async () => {
  const queries = [...text.matchAll(/^```sql\n(.*?)^```/gms)].map((match) => match[1] ?? '')
  expect(queries.length).toBeGreaterThan(2)
  for (const query of queries) await db.unsafe(query)
})

it('docs/schema.md names every table, and no other', async () => {
  const rows = await db<{ name: string }[]>`
    select relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
      and not exists (select from pg_depend d where d.objid = pg_class.oid and d.deptype = 'e')
  `
  const section = text.slice(text.indexOf('## Tables'), text.indexOf('## Questions in SQL'))
  const cells = [...section.matchAll(/^\| (`.*?`) \|/gm)].map((match) => match[1] ?? '')
  const named = cells.flatMap((cell) => [...cell.matchAll(/`([a-z_]+)`/g)].map((match) => match[1]))
  expect(named.toSorted()).toEqual(rows.map(({ name }) => name).toSorted())
})
