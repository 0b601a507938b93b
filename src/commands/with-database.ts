import { type Config, loadConfig } from '../config.ts'
import { type Database, openDatabase } from '../db.ts'
import { UserError } from '../errors.ts'
import { openInstallation } from '../installation.ts'
import { describeMissingMigrations } from '../migrate.ts'
import { runUntilStopped } from './run-until-stopped.ts'

/** Runs a command on the database of this installation, whose schema has to be up to date. */
export function withDatabase(
  name: string,
  run: (db: Database, config: Config) => Promise<void>,
): Promise<void> {
  return runUntilStopped(async (shutdown) => {
    const tell = (line: string) => process.stderr.write(`${line}\n`)
    const config = loadConfig()
    const { databaseUrl } = await openInstallation(config, shutdown, tell)
    const db = openDatabase(databaseUrl, { name, connectionsMax: 1 })
    shutdown.add(() => db.end())
    const missing = await describeMissingMigrations(db)
    if (missing !== undefined) throw new UserError(missing)
    await run(db, config)
  })
}
