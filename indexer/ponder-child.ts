import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../src/config.ts'
import { findFreePort } from '../src/free-port.ts'
import type { Log } from '../src/log.ts'
import type { Scrub } from './scrub.ts'

/** One run of Ponder. */
export type PonderChild = {
  pid: number | undefined
  /** Where it answers on 127.0.0.1: /health once it runs, /ready once history has been read. */
  port: number
  exited: Promise<PonderExit>
  /** Ends it and resolves when it has ended. */
  stop(): Promise<void>
}

export type PonderExit = {
  code: number | null
  signal: NodeJS.Signals | null
  /** The last error that it logged. */
  reason: string | undefined
}

/** How Ponder's process and its sessions are set, beside what the configuration says. */
export type PonderSettings = { nodeOptions: readonly string[]; sessionOptions: string }

export const ponderSettings: PonderSettings = {
  // What Ponder makes of a log is gone when the row is written. With room for more of it, less is looked through and moved in between.
  nodeOptions: ['--max-semi-space-size=64'],
  // In the backfill a statement inserts thousands of wide rows, and the triggers read and sort them: in memory, not on disk, and without
  // compiling a plan that runs for milliseconds.
  sessionOptions: '-c work_mem=64MB -c jit=off',
}

const root = fileURLToPath(new URL('..', import.meta.url))

/** Ponder gives itself five seconds to end. */
const stopMaxMs = 7000

/** Ponder logs a line a block at level info. These are the ones that somebody wants to see; the others go to debug. Progress is ours to tell. */
const notable = [
  'Started backfill indexing',
  'Completed backfill indexing across all chains',
  'Started live indexing',
  'Reorged block',
]

/** Starts Ponder as a child process. It dies with us, and what it prints goes to our log without secrets. */
export async function startPonder(options: {
  schema: string
  databaseUrl: string
  /** Set in its environment, on top of ours. */
  environment: Record<string, string>
  settings?: PonderSettings
  scrub: Scrub
  log: Log
}): Promise<PonderChild> {
  const { schema, databaseUrl, environment, settings = ponderSettings, scrub, log } = options
  const port = await findFreePort()
  const child = spawn(
    process.execPath,
    [
      ...settings.nodeOptions,
      ...['--no-deprecation', '--import', new URL('./ponder-preload.js', import.meta.url).href],
      fileURLToPath(new URL('./bin/ponder.js', import.meta.resolve('ponder'))),
      ...['start', '--root', 'indexer', '--config', '../ponder.config.ts', '--schema', schema],
      ...['--hostname', '127.0.0.1', '--port', String(port), '--log-format', 'json', '--log-level', 'info'],
    ],
    {
      cwd: root,
      env: childEnvironment({
        ...environment,
        DATABASE_URL: databaseUrl,
        PGOPTIONS: settings.sessionOptions,
        PONDER_TELEMETRY_DISABLED: 'true',
        // Ponder prefers these to what it is told on its command line.
        PORT: undefined,
        DATABASE_VIEWS_SCHEMA: undefined,
      }) as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let reason: string | undefined
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (text) => {
      const line = parsePonderLine(text, scrub)
      if (line.level === 'error') reason = line.reason
      log[line.level]({ ponder: line.fields }, line.message)
    })
  }
  const exited = new Promise<PonderExit>((resolve) => {
    child.on('error', (error) => resolve({ code: null, signal: null, reason: scrub(error.message) }))
    // 'close' and not 'exit': its last lines are in by then.
    child.on('close', (code, signal) => resolve({ code, signal, reason }))
  })
  return {
    pid: child.pid,
    port,
    exited,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      const impatient = setTimeout(() => child.kill('SIGKILL'), stopMaxMs)
      await exited
      clearTimeout(impatient)
    },
  }
}

/** One line of Ponder's output as a line of our log. Pure. */
export function parsePonderLine(text: string, scrub: Scrub) {
  let parsed: Record<string, unknown>
  try {
    parsed = JSON.parse(text) as Record<string, unknown>
    if (typeof parsed?.msg !== 'string') throw new TypeError('not a log line')
  } catch {
    const message = scrub(text)
    return { level: 'warn' as const, message, fields: {}, reason: message }
  }
  const { level, time: _time, msg, ...fields } = scrub(parsed)
  const message = msg as string
  const error = fields.error as { message?: unknown } | undefined
  return {
    level:
      Number(level) >= 50
        ? ('error' as const)
        : Number(level) >= 40
          ? ('warn' as const)
          : Number(level) >= 30 && notable.includes(message)
            ? ('info' as const)
            : ('debug' as const),
    message,
    fields,
    reason: error?.message === undefined ? message : `${message}: ${error.message}`,
  }
}
