import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, loadConfig } from './config.ts'
import { describeError, UserError } from './errors.ts'
import { createLog, type Log } from './log.ts'
import { createShutdown, type Shutdown } from './shutdown.ts'

/** What every part of a running role is given. Built once, in its entry file. */
export type Common = {
  config: Config & { databaseUrl: string }
  log: Log
  shutdown: Shutdown
}

/** What a role tells its supervisor over the IPC channel. */
export type RoleMessage =
  | { type: 'ready'; detail: Record<string, unknown> }
  | { type: 'failed'; message: string }

/**
 * Runs one role as this process: configuration, logger, signals and exit codes are the same for all of them.
 * `start` returns when the role is up; it goes on until SIGINT, SIGTERM, or the end of the supervisor.
 * Exit codes: 0 stopped as asked, 2 a setting must be mended, 1 anything else.
 */
export async function runRole(
  name: string,
  start: (common: Common) => Promise<Record<string, unknown>>,
): Promise<void> {
  const shutdown = createShutdown()
  let log: Log | undefined

  const stop = async (exitCode: number) => {
    const deadline = setTimeout(() => process.exit(exitCode || 1), 15_000)
    deadline.unref()
    await shutdown.run().catch((error) => log?.error({ error: describeError(error) }, 'did not stop cleanly'))
    process.exit(exitCode)
  }
  const fail = (error: unknown) => {
    // The sentence of a UserError is whole; its cause would only repeat it in a library's words.
    const message = error instanceof UserError ? error.message : describeError(error)
    // A supervisor says it in its own words; alone, this process does.
    const told = tell({ type: 'failed', message })
    if (error instanceof UserError) told || process.stderr.write(`${message}\n`)
    else log?.error({ error: message, stack: (error as Error | undefined)?.stack }, 'failed')
    return stop(error instanceof UserError ? 2 : 1)
  }

  process.on('SIGINT', () => void stop(0))
  process.on('SIGTERM', () => void stop(0))
  // The supervisor is gone, however it went: a role never outlives it.
  process.on('disconnect', () => void stop(0))
  process.on('uncaughtException', (error) => void fail(error))
  process.on('unhandledRejection', (error) => void fail(error))

  try {
    const config = loadConfig()
    log = createLog(config.log, name)
    const { databaseUrl } = config
    if (databaseUrl === undefined)
      throw new UserError(`DATABASE_URL: missing. Start this role with: tocsin ${name}`)
    const detail = await start({ config: { ...config, databaseUrl }, log, shutdown })
    showLife(config.home, name, shutdown)
    log.info(detail, 'ready')
    tell({ type: 'ready', detail })
  } catch (error) {
    await fail(error)
  }
}

/** Touches `<home>/alive/<role>` for as long as the role lives: what a container's health check looks at. */
function showLife(home: string, name: string, shutdown: Shutdown): void {
  const file = join(home, 'alive', name)
  const touch = () => writeFileSync(file, '')
  mkdirSync(join(home, 'alive'), { recursive: true })
  touch()
  const timer = setInterval(touch, 5_000)
  shutdown.add(() => {
    clearInterval(timer)
    rmSync(file, { force: true })
  })
}

function tell(message: RoleMessage): boolean {
  return process.connected && process.send?.(message) === true
}
