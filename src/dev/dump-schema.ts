import { writeFile } from 'node:fs/promises'
import { loadConfig } from '../config.ts'
import { openDatabase } from '../db.ts'
import { openInstallation } from '../installation.ts'
import { applyMigrations, dumpSchema } from '../migrate.ts'
import { createShutdown } from '../shutdown.ts'

// npm run dump-schema: applies all migrations to an empty database and writes sql/schema.sql from it.
const name = 'tocsin_schema_dump'
const shutdown = createShutdown()
try {
  const { databaseUrl } = await openInstallation(loadConfig(), shutdown, console.error)
  const server = openDatabase(databaseUrl, { name: 'dump', connectionsMax: 1 })
  shutdown.add(() => server.end())
  await server.unsafe(`drop database if exists ${name} with (force)`)
  await server.unsafe(`create database ${name} template template0 encoding 'UTF8'`)
  shutdown.add(() => server.unsafe(`drop database ${name} with (force)`))

  const url = new URL(databaseUrl)
  url.pathname = `/${name}`
  await applyMigrations(url.href)
  const db = openDatabase(url.href, { name: 'dump', connectionsMax: 1 })
  shutdown.add(() => db.end())
  await writeFile(new URL('../../sql/schema.sql', import.meta.url), await dumpSchema(db))
} finally {
  await shutdown.run()
}
