import { setFlagsFromString } from 'node:v8'
import { checkDatabase, openDatabase } from '../src/db.ts'
import { runMaintenance } from '../src/maintenance.ts'
import { runRole } from '../src/role.ts'
import { runMatcher } from './matcher.ts'

// Triggers stay, events pass: left to itself the heap grows to four times what stays before it is swept (docs/engine.md).
setFlagsFromString('--heap-growing-percent=30')

await runRole('matcher', async ({ config, log, shutdown }) => {
  const db = openDatabase(config.databaseUrl, { name: 'matcher' })
  shutdown.add(() => db.end({ timeout: 5 }))
  await checkDatabase(db, config.databaseUrl)

  runMaintenance({ db, log, shutdown, retention: config.retention })
  await runMatcher({ db, log, shutdown })
  return {}
})
