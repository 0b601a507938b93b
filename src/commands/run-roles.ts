import { once } from 'node:events'
import { join } from 'node:path'
import { loadConfig } from '../config.ts'
import { UserError } from '../errors.ts'
import { openMigratedInstallation } from '../installation.ts'
import { createLog } from '../log.ts'
import { coreRoleNames, type RoleName, roleNames, superviseRoles } from '../supervise.ts'
import { runUntilStopped } from './run-until-stopped.ts'

/** `tocsin start` (`all`), and each role alone: opens the database, brings its schema up to date, and keeps the roles running. */
export function runRoles(wanted: 'all' | readonly RoleName[]): Promise<void> {
  return runUntilStopped(async (shutdown) => {
    const config = loadConfig()
    const log = createLog(config.log, 'tocsin')
    const everything = config.telegram === undefined ? coreRoleNames : roleNames
    const roles = wanted === 'all' ? everything : wanted
    if (roles.includes('indexer') && config.chains.length === 0) {
      throw new UserError(
        'No chain is configured. Set RPC_URL_<chain id> (and better also WS_URL_<chain id>), for example RPC_URL_84532=https://sepolia.base.org. To see Tocsin work without a chain: npm run demo',
      )
    }
    const { databaseUrl, embedded } = await openMigratedInstallation(config, shutdown, (line) =>
      log.info({}, line),
    )
    log.info({ embedded, roles }, 'starting')

    const environment = { DATABASE_URL: databaseUrl }
    const ready = await superviseRoles({ roles, environment, log, shutdown })
    const token = config.api.token === undefined ? join(config.home, 'api-token') : 'TOCSIN_API_TOKEN'
    log.info(
      { roles, ...(ready.api === undefined ? {} : { api: ready.api.url, api_token_in: token }) },
      'all roles are ready',
    )
    await once(shutdown.signal, 'abort')
  })
}
