import { checkDatabase, openDatabase } from '../db.ts'
import { describeError, UserError } from '../errors.ts'
import type { Log } from '../log.ts'
import { describeMissingMigrations } from '../migrate.ts'
import { runRole } from '../role.ts'
import { createSecretBox } from '../secret-box.ts'
import { loadSecretKeys } from '../secret-keys.ts'
import { hasAdmin } from '../store/accounts.ts'
import { ensureUser } from '../store/triggers.ts'
import { openUserConnections } from '../store/user-connections.ts'
import { createApp } from './app.ts'
import { loadBootstrapToken } from './bootstrap-token.ts'
import { createKnownKeys } from './known-keys.ts'
import { listen } from './listen.ts'

await runRole('api', async ({ config, log, shutdown }) => {
  const db = openDatabase(config.databaseUrl, { name: 'api' })
  shutdown.add(() => db.end({ timeout: 5 }))
  await checkDatabase(db, config.databaseUrl)
  const missing = await describeMissingMigrations(db)
  if (missing !== undefined) throw new UserError(missing)

  const reads = await openReads(config.databaseUrl, log)
  shutdown.add(() => reads?.end())
  const knownKeys = createKnownKeys(config.databaseUrl, log)
  shutdown.add(knownKeys.close)

  const token = await loadBootstrapToken({ configured: config.api.token, home: config.home })
  const secrets = createSecretBox(await loadSecretKeys(config))
  const userId = await ensureUser(db, 'bootstrap')
  const { url, close } = await listen(
    createApp({
      db,
      reads,
      knownKeys,
      log,
      secrets,
      token,
      userId,
      metricsToken: config.metricsToken,
      registration: config.api.registration,
      rateLimits: config.api.rateLimits,
      triggersMax: config.api.triggersMax,
      publicUrl: config.api.publicUrl,
      corsOrigins: config.api.corsOrigins,
      stream: config.api.stream,
      signal: shutdown.signal,
      rpcUrls: new Map(config.chains.map(({ id, rpcUrl }) => [id, rpcUrl])),
    }),
    config.api,
  )
  shutdown.add(async () => {
    const brokenOff = await close()
    if (brokenOff > 0) log.warn({ requests: brokenOff }, 'requests took too long and were broken off')
  })
  if (!(await hasAdmin(db))) {
    log.info({}, 'there is no administrator yet. Make one with: tocsin users create-admin <name>')
  }
  return { url }
})

/** `undefined`: a pooler between us and Postgres gives connections that are not ours alone. Reads run in transactions then, and are slower. */
async function openReads(url: string, log: Log) {
  const reads = openUserConnections(url, { name: 'api reads' })
  try {
    await reads.read('', 'select 1')
    return reads
  } catch (error) {
    log.warn({ error: describeError(error) }, 'reads cannot keep connections of their own, and are slower')
    await reads.end()
    return undefined
  }
}
