import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const cli = fileURLToPath(new URL('../../bin/tocsin.js', import.meta.url))

/** The environment of a test, without whatever Tocsin variables this machine has set, plus those given. */
export function cleanEnvironment(variables: Record<string, string> = {}): Record<string, string> {
  const own = /^(TOCSIN_|OUTBOUND_|RPC_URL_|WS_URL_|START_BLOCK_|DATABASE_URL$|REDIS_URL$|TELEGRAM_)/
  const kept = Object.entries(process.env).filter((entry): entry is [string, string] => {
    return entry[1] !== undefined && !own.test(entry[0])
  })
  return { ...Object.fromEntries(kept), NO_COLOR: '1', ...variables }
}

/** Starts the `tocsin` command as a process of its own. */
export function startCli(args: readonly string[], variables: Record<string, string>, cwd = process.cwd()) {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: cleanEnvironment(variables),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  const exited = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }))
  return { child, output, exited }
}

/** Runs the `tocsin` command to its end. */
export function runCli(args: readonly string[], variables: Record<string, string> = {}, cwd?: string) {
  return startCli(args, variables, cwd).exited
}
