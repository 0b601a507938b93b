import { type ChildProcess, fork, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from './config.ts'
import { UserError } from './errors.ts'
import type { Log } from './log.ts'
import type { RoleMessage } from './role.ts'
import type { Shutdown } from './shutdown.ts'

/** Each role is a process of its own, started from its entry file. */
const entries = {
  indexer: '../indexer/role.ts',
  matcher: '../worker/matcher-role.ts',
  worker: '../worker/worker-role.ts',
  api: '../src/api/role.ts',
  bot: '../src/bot/role.ts',
} as const

export type RoleName = keyof typeof entries
export const roleNames = Object.keys(entries) as RoleName[]

/** What every installation runs. There is a bot only where there is a token for it. */
export const coreRoleNames = roleNames.filter((role) => role !== 'bot')

export type SuperviseOptions = {
  roles: readonly RoleName[]
  /** Set in every role's environment, on top of ours. */
  environment: Record<string, string | undefined>
  log: Log
  shutdown: Shutdown
  /** A file descriptor for what the roles print; without it they print where we do. */
  output?: number
}

/** The pause before a role that ended is started again doubles up to this. */
const restartPauseMaxMs = 30_000

/** How long a role may take to stop before it is killed. */
const stopMaxMs = 17_000

/**
 * Starts roles as child processes and keeps them running until shutdown.
 *
 * @returns what each role said when it was ready, once all are.
 * @throws UserError when a role cannot start for a reason that a person must mend. Once it has been ready, its settings are
 *   known to be right: the same reason then means that something else is away (Postgres, an endpoint), and it is tried again.
 */
export async function superviseRoles(
  options: SuperviseOptions,
): Promise<Partial<Record<RoleName, Record<string, unknown>>>> {
  const details = await Promise.all(
    options.roles.map(async (role) => [role, await superviseRole(role, options)] as const),
  )
  return Object.fromEntries(details)
}

function superviseRole(role: RoleName, options: SuperviseOptions): Promise<Record<string, unknown>> {
  const { log, shutdown } = options
  let restarts = 0
  let wasReady = false
  let child: ChildProcess
  let exited: Promise<unknown>

  // All roles are told at once, and then waited for one by one.
  shutdown.signal.addEventListener('abort', () => child.kill('SIGTERM'))
  shutdown.add(async () => {
    const impatient = setTimeout(() => child.kill('SIGKILL'), stopMaxMs)
    await exited
    clearTimeout(impatient)
  })

  return new Promise((resolve, reject) => {
    const start = () => {
      let reason: string | undefined
      child = startRole(role, options)
      exited = child.exitCode === null ? once(child, 'exit') : Promise.resolve()
      child.on('message', (message: RoleMessage) => {
        if (message.type === 'failed') reason = message.message
        else {
          restarts = 0
          wasReady = true
          resolve(message.detail)
        }
      })
      child.on('exit', (code, signal) => {
        if (shutdown.signal.aborted) return
        if (code === 2 && !wasReady) return reject(new UserError(reason ?? `${role} cannot start`))
        const pauseMs = Math.min(500 * 2 ** restarts, restartPauseMaxMs)
        restarts += 1
        log.error({ code, signal, reason, restart_in_ms: pauseMs }, `${role} ended; starting it again`)
        const timer = setTimeout(start, pauseMs)
        shutdown.add(() => clearTimeout(timer))
      })
    }
    start()
  })
}

/** What Node is told that it cannot be told later. */
export function nodeOptionsOf(role: RoleName): string[] {
  // What a request makes is gone when it is answered. With room for more of it, less is looked through and moved in between.
  return role === 'api' ? ['--max-semi-space-size=64'] : []
}

function startRole(role: RoleName, { environment, output }: SuperviseOptions): ChildProcess {
  const stdio: StdioOptions = ['ignore', output ?? 'inherit', output ?? 'inherit', 'ipc']
  return fork(fileURLToPath(new URL(entries[role], import.meta.url)), {
    execArgv: [...nodeOptionsOf(role), '--import', import.meta.resolve('tsx')],
    // Names are looked up in this pool: a few whose servers hang must not hold up all others.
    env: childEnvironment({ UV_THREADPOOL_SIZE: '64', ...environment }) as NodeJS.ProcessEnv,
    stdio,
  })
}
