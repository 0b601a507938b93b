import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, openDatabase } from '../../src/db.ts'
import { deployRegistries } from '../../src/dev/deploy-registries.ts'
import { economyAccounts } from '../../src/dev/economy-world.ts'
import { createEconomy } from '../../src/dev/run-economy.ts'
import { startAnvil } from '../../src/dev/start-anvil.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { coreRoleNames, type RoleName } from '../../src/supervise.ts'
import { type RunningRole, startRole } from './start-role.ts'

const token = 'a-token-for-tests-only'

export type Stack = Awaited<ReturnType<typeof startStack>>

/** A local chain with the registries, a migrated database, and the given roles, each a process that can be killed and started again. */
export async function startStack(
  databaseUrl: string,
  options: {
    roles?: readonly RoleName[]
    webSocket?: boolean
    seed?: number
    variables?: Record<string, string>
  } = {},
) {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-stack-'))
  await applyMigrations(databaseUrl)
  const db: Database = openDatabase(databaseUrl, { name: 'test' })
  const chain = await startAnvil({ chainId: 31337, accounts: economyAccounts })
  const registries = await deployRegistries({ rpcUrl: chain.rpcUrl, chainId: chain.chainId })
  const variables = {
    DATABASE_URL: databaseUrl,
    TOCSIN_HOME: home,
    TOCSIN_API_PORT: '0',
    TOCSIN_API_TOKEN: token,
    TOCSIN_LOG_LEVEL: 'warn',
    // The receivers of tests and benchmarks are on this machine.
    OUTBOUND_ALLOW: '127.0.0.0/8',
    RPC_URL_31337: chain.rpcUrl,
    ...(options.webSocket === false ? {} : { WS_URL_31337: chain.wsUrl }),
    ...options.variables,
  }
  const roles = new Map<RoleName, RunningRole>()
  const start = async (role: RoleName) => {
    roles.set(role, await startRole(role, variables))
  }
  await Promise.all((options.roles ?? coreRoleNames).map(start))

  return {
    db,
    chain,
    registries,
    economy: createEconomy({
      rpcUrl: chain.rpcUrl,
      chainId: chain.chainId,
      registries,
      seed: options.seed ?? 1,
    }),
    start,
    /** Ends a role as a crash would, and starts it again. */
    crash: async (role: RoleName) => {
      await roles.get(role)?.kill()
      await start(role)
    },
    role: (role: RoleName) => roles.get(role),
    createTrigger: async (document: unknown): Promise<{ id: string }> => {
      const response = await fetch(`${roles.get('api')?.detail.url}/v1/triggers`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(document),
      })
      if (response.status !== 201) throw new Error(await response.text())
      return (await response.json()) as { id: string }
    },
    stop: async () => {
      await Promise.all([...roles.values()].map((role) => role.stop()))
      await chain.stop()
      await db.end()
      rmSync(home, { recursive: true, force: true })
    },
  }
}
