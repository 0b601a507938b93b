import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { UserError } from '../errors.ts'
import { findFreePort } from '../free-port.ts'

export type LocalChain = {
  chainId: number
  rpcUrl: string
  wsUrl: string
  port: number
  /** Of anvil itself. */
  pid: number
  /** Any JSON-RPC method, those of anvil included (`evm_mine`, `anvil_reorg`). */
  call(method: string, params?: readonly unknown[]): Promise<unknown>
  stop(): Promise<void>
}

export type AnvilOptions = {
  chainId?: number
  /** A free one unless given. */
  port?: number
  /** Without it, each transaction is mined at once in a block of its own. */
  blockTimeSeconds?: number
  /** How many of anvil's accounts are funded. */
  accounts?: number
}

const startMaxMs = 20_000

/**
 * Starts a local chain. It ends with `stop`, and within moments of our own end, however that comes.
 *
 * @throws UserError when the given port is taken or anvil cannot run.
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<LocalChain> {
  if (options.port !== undefined && !(await isFree(options.port))) {
    throw new UserError(
      `Port ${options.port} is taken: the local chain cannot listen there. Choose another, or none.`,
    )
  }
  // Between looking for a free port and using it, somebody else can take it.
  for (let triesLeft = 3; ; triesLeft -= 1) {
    try {
      return await start({ ...options, port: options.port ?? (await findFreePort()) })
    } catch (error) {
      if (triesLeft === 1 || options.port !== undefined) throw error
    }
  }
}

async function start(options: AnvilOptions & { port: number }): Promise<LocalChain> {
  const { chainId = 31337, port, blockTimeSeconds, accounts = 10 } = options
  const args = [
    '--host',
    '127.0.0.1',
    '--port',
    `${port}`,
    '--chain-id',
    `${chainId}`,
    '--accounts',
    `${accounts}`,
  ]
  if (blockTimeSeconds !== undefined) args.push('--block-time', `${blockTimeSeconds}`)
  const guard = fork(fileURLToPath(new URL('./child-guard.mjs', import.meta.url)), [anvilPath(), ...args], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // Ctrl-C goes to the whole group of the terminal, anvil included; in a group of its own it ends when we say.
    detached: true,
  })
  let errors = ''
  guard.stderr?.on('data', (chunk) => {
    errors = `${errors}${chunk}`.slice(-2000)
  })
  let exited = false
  const ended = once(guard, 'exit').then(() => {
    exited = true
  })
  const [{ pid }] = (await Promise.race([once(guard, 'message'), ended.then(() => [{ pid: 0 }])])) as [
    { pid: number },
  ]

  const rpcUrl = `http://127.0.0.1:${port}`
  const deadline = Date.now() + startMaxMs
  while (!(await answers(rpcUrl, chainId))) {
    if (exited || Date.now() > deadline) {
      await stop(guard, ended)
      throw new UserError(`The local chain did not start: ${errors.trim() || 'anvil gave no reason'}`)
    }
    await delay(20)
  }
  // Our own end is the guard's business: it must not keep us alive.
  guard.unref()
  guard.channel?.unref()
  ;(guard.stderr as Socket).unref()
  return {
    chainId,
    rpcUrl,
    wsUrl: `ws://127.0.0.1:${port}`,
    port,
    pid,
    call: (method, params) => call(rpcUrl, method, params),
    stop: async () => {
      await stop(guard, ended)
      // A guard that was killed could not end its program.
      if (guard.signalCode !== null) endProcess(pid)
    },
  }
}

async function stop(guard: ChildProcess, ended: Promise<void>): Promise<void> {
  // Or we could be gone before it is.
  guard.ref()
  guard.kill('SIGTERM')
  await ended
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** The program itself: the wrapper that npm puts before it would stay between us and it. */
function anvilPath(): string {
  const { platform, arch } = process
  const name = `@foundry-rs/anvil-${platform}-${arch === 'x64' ? 'amd64' : arch}`
  const require = createRequire(import.meta.url)
  try {
    const wrapper = createRequire(require.resolve('@foundry-rs/anvil/package.json'))
    return join(
      dirname(wrapper.resolve(`${name}/package.json`)),
      'bin',
      platform === 'win32' ? 'anvil.exe' : 'anvil',
    )
  } catch (error) {
    throw new UserError(
      `There is no local chain for this machine (${platform} ${arch}): the package ${name} is not installed. Run npm ci.`,
      { cause: error },
    )
  }
}

async function answers(rpcUrl: string, chainId: number): Promise<boolean> {
  return call(rpcUrl, 'eth_chainId').then(
    (id) => Number(id) === chainId,
    () => false,
  )
}

async function call(rpcUrl: string, method: string, params: readonly unknown[] = []): Promise<unknown> {
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(10_000),
  })
  const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } }
  if (error !== undefined) throw new Error(`${method}: ${error.message}`)
  return result
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const free = await new Promise<boolean>((resolve) => {
    server.on('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
  if (free) await new Promise((resolve) => server.close(resolve))
  return free
}
