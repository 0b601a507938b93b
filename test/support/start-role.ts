import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { RoleMessage } from '../../src/role.ts'
import { nodeOptionsOf, type RoleName } from '../../src/supervise.ts'
import { cleanEnvironment } from './run-cli.ts'

const entries = {
  indexer: '../../indexer/role.ts',
  matcher: '../../worker/matcher-role.ts',
  worker: '../../worker/worker-role.ts',
  api: '../../src/api/role.ts',
  bot: '../../src/bot/role.ts',
} as const satisfies Record<RoleName, string>

export type RunningRole = {
  child: ChildProcess
  detail: Record<string, unknown>
  /** Ends it as a crash would. */
  kill(): Promise<void>
  /** Ends it as a deploy would. */
  stop(): Promise<void>
}

/**
 * Starts one role as a process of its own, without a supervisor that would start it again; resolves when it is ready.
 *
 * @param onOutput is given all that it prints.
 */
export async function startRole(
  role: RoleName,
  variables: Record<string, string>,
  onOutput?: (text: string) => void,
): Promise<RunningRole> {
  const child = fork(fileURLToPath(new URL(entries[role], import.meta.url)), {
    execArgv: [...nodeOptionsOf(role), '--import', 'tsx'],
    env: cleanEnvironment(variables),
    stdio: ['ignore', onOutput === undefined ? 'ignore' : 'pipe', 'pipe', 'ipc'],
  })
  let log = ''
  child.stderr?.on('data', (chunk) => {
    log = (log + chunk).slice(-20_000)
  })
  if (onOutput !== undefined) {
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', onOutput)
  }
  const exited = once(child, 'exit')
  const end = (signal: NodeJS.Signals) => async () => {
    child.kill(signal)
    await exited
  }
  const detail = await new Promise<Record<string, unknown>>((resolve, reject) => {
    child.on('message', (message: RoleMessage) => {
      if (message.type === 'ready') resolve(message.detail)
      else reject(new Error(message.message))
    })
    child.on('exit', (code) => reject(new Error(`${role} ended with ${code} before it was ready:\n${log}`)))
  })
  return { child, detail, kill: end('SIGKILL'), stop: end('SIGTERM') }
}
