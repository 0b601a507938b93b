import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cleanEnvironment } from '../test/support/run-cli.ts'

/** The indexer role as its supervisor keeps it, with processes that can be killed. */
export type Indexer = {
  /** Ends Ponder as a crash would; false where there is none at the moment. */
  killPonder(): Promise<boolean>
  /** Ends the role as a crash would; Ponder goes with it. */
  killRole(): boolean
  /** The end of what it logged. */
  output(): string
  stop(): Promise<void>
}

/** The shortest pause of the real supervisor. It doubles, and we are in a hurry. */
const restartPauseMs = 500
const outputCharactersMax = 4_000_000

export function startIndexer(variables: Record<string, string>): Indexer {
  let output = ''
  let stopping = false
  let child: ChildProcess
  let exited: Promise<unknown>
  const start = () => {
    child = fork(fileURLToPath(new URL('../indexer/role.ts', import.meta.url)), {
      execArgv: ['--import', import.meta.resolve('tsx')],
      env: cleanEnvironment({ TOCSIN_LOG_FORMAT: 'json', TOCSIN_LOG_LEVEL: 'debug', ...variables }),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      output = (output + chunk).slice(-outputCharactersMax)
    })
    child.on('message', (message) => {
      output += `${JSON.stringify(message)}\n`
    })
    exited = once(child, 'exit').then(([code, signal]) => {
      output += `the role ended with ${code ?? signal} at ${new Date().toISOString()}\n`
      if (!stopping) void delay(restartPauseMs).then(() => stopping || start())
    })
  }
  start()
  return {
    killPonder: async () => {
      const pid = await findPonder(child.pid)
      return pid !== undefined && kill(pid)
    },
    killRole: () => child.pid !== undefined && kill(child.pid),
    output: () => output,
    stop: async () => {
      stopping = true
      const ponder = await findPonder(child.pid)
      // Nobody looks at how it ends: the next seed waits.
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
      if (ponder !== undefined) kill(ponder)
    },
  }
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

async function findPonder(parent: number | undefined): Promise<number | undefined> {
  const arguments_ = ['-o', 'pid=,args=', '--ppid', String(parent)]
  const { stdout } = await promisify(execFile)('ps', arguments_).catch(() => ({ stdout: '' }))
  const line = stdout.split('\n').find((text) => text.includes('bin/ponder.js'))
  return line === undefined ? undefined : Number.parseInt(line, 10)
}
