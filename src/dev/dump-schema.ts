import { writeFile } from 'node:fs/promises'
import { loadConfig } from '../config.ts'
import { openDatabase } from '../db.ts'
import { openInstallation } from '../installation.ts'
import { applyMigrations, dumpSchema } from '../migrate.ts'
import { createShutdown } from '../shutdown.ts'
import { createScratchDatabase } from './scratch-database.ts'

// npm run dump-schema: applies all migrations to an empty database and writes sql/schema.sql from it.
const shutdown = createShutdown()
try {
  const { databaseUrl } = await openInstallation(loadConfig(), shutdown, console.error)
  const { url } = await createScratchDatabase(databaseUrl, 'tocsin_schema', shutdown)
  await applyMigrations(url)
  const db = openDatabase(url, { name: 'dump', connectionsMax: 1 })
  shutdown.add(() => db.end())
  await writeFile(new URL('../../sql/schema.sql', import.meta.url), await dumpSchema(db))
} finally {
  await shutdown.run()
}
process.exit()
