import type { Config } from './config.ts'
import { checkDatabase, openDatabase } from './db.ts'
import { openEmbeddedPostgres } from './dev/embedded-postgres.ts'
import { applyMigrations } from './migrate.ts'
import type { Shutdown } from './shutdown.ts'

/**
 * The database of this installation: the one that DATABASE_URL names, or the embedded Postgres in TOCSIN_HOME, which is
 * started if it does not run and given back at shutdown.
 *
 * @returns its URL, and whether it is the embedded one.
 * @throws UserError when it cannot be started or reached.
 */
export async function openInstallation(
  { databaseUrl, home }: Pick<Config, 'databaseUrl' | 'home'>,
  shutdown: Shutdown,
  tell: (line: string) => void,
): Promise<{ databaseUrl: string; embedded: boolean }> {
  if (databaseUrl === undefined) {
    const embedded = await openEmbeddedPostgres({ home, log: tell })
    shutdown.add(embedded.release)
    return { databaseUrl: embedded.url, embedded: true }
  }
  const db = openDatabase(databaseUrl, { name: 'check', connectionsMax: 1 })
  try {
    await checkDatabase(db, databaseUrl)
  } finally {
    await db.end()
  }
  return { databaseUrl, embedded: false }
}

/** Opens the database and brings its schema up to date. */
export async function openMigratedInstallation(
  config: Pick<Config, 'databaseUrl' | 'home'>,
  shutdown: Shutdown,
  tell: (line: string) => void,
): Promise<{ databaseUrl: string; embedded: boolean }> {
  const installation = await openInstallation(config, shutdown, tell)
  const applied = await applyMigrations(installation.databaseUrl)
  if (applied.length > 0) tell(`applied ${applied.length} migrations`)
  return installation
}
