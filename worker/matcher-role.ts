import { checkDatabase, openDatabase } from '../src/db.ts'
import { runRole } from '../src/role.ts'
import { ensurePartitions } from '../src/store/maintenance.ts'
import { runMatcher } from './matcher.ts'

await runRole('matcher', async ({ config, log, shutdown }) => {
  const db = openDatabase(config.databaseUrl, { name: 'matcher' })
  shutdown.add(() => db.end({ timeout: 5 }))
  await checkDatabase(db, config.databaseUrl)

  // Partitions must be there before the events that belong into them: three months ahead, looked after once a day.
  await ensurePartitions(db)
  const daily = setInterval(() => {
    ensurePartitions(db).catch((error) => log.warn({ error: String(error) }, 'could not make partitions'))
  }, 86_400_000)
  shutdown.add(() => clearInterval(daily))

  await runMatcher({ db, log, shutdown })
  return {}
})
