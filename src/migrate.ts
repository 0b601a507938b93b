import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import type { Database } from './db.ts'
import { describeError, UserError } from './errors.ts'
import { describeSchema, type SchemaObject } from './store/schema.ts'

const directory = fileURLToPath(new URL('../migrations', import.meta.url))
const dump = fileURLToPath(new URL('../sql/schema.sql', import.meta.url))

export type MigrationStatus = { name: string; applied_at: Date | null }

/** What `verify` found: objects that the schema should have and has not, has otherwise, or has too many. */
export type SchemaDifference = {
  kind: 'missing' | 'different' | 'unexpected'
  object: string
  detail: string
}

/**
 * Applies every migration that the database does not have yet, each in its own transaction. Processes that start at
 * the same time wait for each other on an advisory lock; the second then finds nothing to do.
 *
 * @returns the names of the migrations that were applied now, oldest first.
 * @throws UserError that names the migration that failed, and why.
 */
export function applyMigrations(databaseUrl: string, from = directory): Promise<string[]> {
  return run(databaseUrl, 'up', Number.POSITIVE_INFINITY, from)
}

/**
 * Takes back the newest `count` migrations, with the data of their tables.
 *
 * @returns their names, newest first.
 */
export function rollbackMigrations(databaseUrl: string, count: number): Promise<string[]> {
  return run(databaseUrl, 'down', count, directory)
}

/** All migrations, oldest first, with the time at which each was applied. Applied ones that this version does not know come last. */
export async function readMigrationStatus(db: Database): Promise<MigrationStatus[]> {
  const known = (await readdir(directory))
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -4))
  const [exists] = await db`select to_regclass('tocsin_migrations') as name`
  const applied = exists?.name
    ? await db<
        { name: string; run_on: Date }[]
      >`select name, run_on at time zone 'utc' as run_on from tocsin_migrations`
    : []
  const appliedAt = new Map(applied.map((row) => [row.name, row.run_on]))
  const unknown = [...appliedAt.keys()].filter((name) => !known.includes(name))
  return [...known.sort(), ...unknown.sort()].map((name) => ({
    name,
    applied_at: appliedAt.get(name) ?? null,
  }))
}

/** What to say of a database that lacks migrations, naming them; `undefined` when it has them all. */
export async function describeMissingMigrations(db: Database): Promise<string | undefined> {
  const missing = (await readMigrationStatus(db)).filter(({ applied_at }) => applied_at === null)
  if (missing.length === 0) return undefined
  return `The database lacks migrations: ${missing.map(({ name }) => name).join(', ')}. Run: tocsin migrate apply`
}

/** Compares the schema of the database with the committed dump. An empty list: they are the same. */
export async function verifySchema(db: Database): Promise<SchemaDifference[]> {
  const expected = parseDump(await readFile(dump, 'utf8'))
  const actual = new Map((await describeSchema(db)).map((object) => [title(object), object.definition]))
  const differences: SchemaDifference[] = []
  for (const [object, definition] of expected) {
    const found = actual.get(object)
    if (found === undefined) {
      differences.push({ kind: 'missing', object, detail: `${object} does not exist` })
    } else if (found !== definition) {
      differences.push({ kind: 'different', object, detail: describeChange(definition, found) })
    }
  }
  for (const object of actual.keys()) {
    if (!expected.has(object))
      differences.push({ kind: 'unexpected', object, detail: `${object} is not Tocsin’s` })
  }
  return differences
}

/** The schema of the database in the form of `sql/schema.sql`. */
export async function dumpSchema(db: Database): Promise<string> {
  const objects = await describeSchema(db)
  const sections = objects.map((object) => `-- ${title(object)}\n${object.definition}\n`)
  return `-- The schema that the migrations make. Generated: npm run dump-schema\n\n${sections.join('\n')}`
}

async function run(
  databaseUrl: string,
  direction: 'up' | 'down',
  count: number,
  from: string,
): Promise<string[]> {
  let current = ''
  try {
    const done = await runner({
      databaseUrl,
      dir: from,
      direction,
      count,
      migrationsTable: 'tocsin_migrations',
      // A second process waits instead of failing, and then finds nothing left to do.
      advisoryLockMode: 'wait',
      singleTransaction: false,
      logger: {
        info: (line: string) => {
          current = /^### MIGRATION (\S+)/.exec(line)?.[1] ?? current
        },
        warn: () => {},
        error: () => {},
      },
    })
    return done.map((migration) => migration.name)
  } catch (error) {
    const doing = direction === 'up' ? 'apply' : 'take back'
    const what = current === '' ? `the migrations in ${from}` : `migration ${current}`
    throw new UserError(
      `Could not ${doing} ${what}: ${describeError(error)}. Nothing of it was changed; mend the cause and run "tocsin migrate apply" again.`,
      { cause: error },
    )
  }
}

function title({ kind, name }: SchemaObject): string {
  return `${kind} ${name}`
}

function parseDump(text: string): Map<string, string> {
  const sections = text.split(/^-- (?=(?:table|index|trigger|function|view) )/m).slice(1)
  return new Map(
    sections.map((section) => {
      const [object = '', ...lines] = section.split('\n')
      return [object, lines.join('\n').trimEnd()]
    }),
  )
}

/** The lines of a definition that are missing or other than expected. */
function describeChange(expected: string, found: string): string {
  const lines = (text: string) => text.split('\n').map((line) => line.trim().replace(/,$/, ''))
  const missing = lines(expected).filter((line) => !lines(found).includes(line))
  const added = lines(found).filter((line) => !lines(expected).includes(line))
  return [...missing.map((line) => `expected: ${line}`), ...added.map((line) => `found: ${line}`)].join('; ')
}
