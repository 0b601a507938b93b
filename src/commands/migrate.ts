import { loadConfig } from '../config.ts'
import { type Database, openDatabase } from '../db.ts'
import { openInstallation } from '../installation.ts'
import { applyMigrations, readMigrationStatus, rollbackMigrations, verifySchema } from '../migrate.ts'
import { readServer, readStorage } from '../store/schema.ts'
import { runUntilStopped } from './run-until-stopped.ts'

type Options = { json?: boolean }

export function applyCommand(options: Options): Promise<void> {
  return withDatabase(async (databaseUrl, db) => {
    const applied = await applyMigrations(databaseUrl)
    const [storage] = await readStorage(db)
    const [server] = await readServer(db)
    print(options, { applied, storage: storage?.storage }, [
      ...(applied.length === 0
        ? ['Nothing to apply: the schema is up to date.']
        : applied.map((name) => `applied ${name}`)),
      storage?.storage === 'hypertable'
        ? 'Events are kept in a TimescaleDB hypertable.'
        : server?.timescaledb_available === true
          ? 'Events are kept in native partitions: TimescaleDB is installed on the server, but was not ready when this schema was made (not in shared_preload_libraries, or this user may not create the extension). To use it, run "create extension timescaledb" in a new database before "tocsin migrate apply".'
          : 'Events are kept in native partitions (TimescaleDB is not available).',
    ])
  })
}

export function statusCommand(options: Options): Promise<void> {
  return withDatabase(async (_, db) => {
    const status = await readMigrationStatus(db)
    print(
      options,
      status,
      status.map(
        ({ name, applied_at }) =>
          `${name.padEnd(24)} ${applied_at === null ? 'not applied' : `applied ${applied_at.toISOString()}`}`,
      ),
    )
  })
}

/** Exit code 1 when the schema is not what it should be. */
export function verifyCommand(options: Options): Promise<void> {
  return withDatabase(async (_, db) => {
    const differences = await verifySchema(db)
    print(
      options,
      differences,
      differences.length === 0
        ? ['The schema is what it should be.']
        : differences.map(({ kind, object, detail }) => `${kind.padEnd(10)} ${object}: ${detail}`),
    )
    if (differences.length > 0) process.exitCode = 1
  })
}

export function rollbackCommand(options: Options & { count: number }): Promise<void> {
  return withDatabase(async (databaseUrl) => {
    const names = await rollbackMigrations(databaseUrl, options.count)
    print(
      options,
      { rolled_back: names },
      names.length === 0 ? ['Nothing to take back.'] : names.map((name) => `took back ${name}`),
    )
  })
}

function withDatabase(run: (databaseUrl: string, db: Database) => Promise<void>): Promise<void> {
  return runUntilStopped(async (shutdown) => {
    const tell = (line: string) => process.stderr.write(`${line}\n`)
    const { databaseUrl } = await openInstallation(loadConfig(), shutdown, tell)
    const db = openDatabase(databaseUrl, { name: 'migrate', connectionsMax: 1 })
    shutdown.add(() => db.end())
    await run(databaseUrl, db)
  })
}

function print({ json }: Options, value: unknown, lines: readonly string[]): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${lines.join('\n')}\n`)
}
