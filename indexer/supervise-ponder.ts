import { setTimeout as delay } from 'node:timers/promises'
import type { ConfiguredChain } from '../src/config.ts'
import type { Database } from '../src/db.ts'
import { describeError, UserError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { Shutdown } from '../src/shutdown.ts'
import { isIngestAttached } from '../src/store/ingest.ts'
import { checkHistory } from './check-history.ts'
import { type PonderChild, startPonder } from './ponder-child.ts'
import { prepareStart } from './prepare-start.ts'
import type { Scrub } from './scrub.ts'
import { watchForStall } from './watchdog.ts'

export type PonderOptions = {
  chains: readonly ConfiguredChain[]
  db: Database
  databaseUrl: string
  schema: string
  /** The newest block of a chain by its endpoint; `undefined` when it did not answer. */
  headOf: (chainId: number) => number | undefined
  /** For Ponder only, on top of ours. */
  environment: Record<string, string>
  scrub: Scrub
  log: Log
  shutdown: Shutdown
}

const pauseMinMs = 1000
const pauseMaxMs = 30_000

/** A run of this length was a good one: what comes after it is a new trouble. */
const goodRunMs = 60_000

/**
 * Exit code 75 is Ponder's own word for "start me again". 1 is meant to be fatal, but it also follows an endpoint that
 * fails, or lags behind, in the second in which Ponder looks for the newest block. So it is believed the fifth time in a row.
 */
const fatalExitsMax = 5

/**
 * Keeps Ponder running until shutdown.
 *
 * @returns when it is up for the first time and each of its rows becomes an event.
 * @throws UserError or Error when it cannot be started. After the first start, such an error goes to `onFatal`.
 */
export function supervisePonder(options: PonderOptions, onFatal: (error: unknown) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let ready = false
    keepRunning(options, () => {
      ready = true
      resolve()
    }).catch((error) => (ready ? onFatal(error) : reject(error)))
  })
}

async function keepRunning(options: PonderOptions, onReady: () => void): Promise<void> {
  const { schema, log, shutdown } = options
  const { signal } = shutdown
  let child: PonderChild | undefined
  shutdown.add(() => child?.stop())

  let failures = 0
  let fatalExits = 0
  while (!signal.aborted) {
    const startedAtMs = Date.now()
    try {
      await checkHistory(options.db, options.chains)
      await prepareStart({ ...options, signal })
      child = await startPonder(options)
      // Shutdown may have come while it was being started, and found no child to stop.
      if (signal.aborted) await child.stop()
      const { code, signal: killedBy, reason } = await runOnce(options, child, onReady)
      if (signal.aborted) return
      fatalExits = code === 1 && Date.now() - startedAtMs < goodRunMs ? fatalExits + 1 : 0
      if (fatalExits >= fatalExitsMax) {
        throw new FatalExit(`Ponder cannot run (schema ${schema}): ${reason ?? 'it gave no reason'}`)
      }
      log.warn({ code, signal: killedBy, reason }, 'Ponder ended; starting it again')
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof UserError || error instanceof FatalExit) throw error
      log.warn({ error: describeError(error) }, 'could not start Ponder; trying again')
    }
    failures = Date.now() - startedAtMs < goodRunMs ? failures + 1 : 0
    const pauseMs = Math.min(pauseMinMs * 2 ** Math.max(failures - 1, 0), pauseMaxMs)
    await delay(pauseMs, undefined, { signal }).catch(() => {})
  }
}

class FatalExit extends Error {
  override name = 'FatalExit'
}

/** One run from start to end, with the watchdog beside it. */
async function runOnce(options: PonderOptions, child: PonderChild, onReady: () => void) {
  const { log, shutdown } = options
  const ended = new AbortController()
  const signal = AbortSignal.any([shutdown.signal, ended.signal])
  const watching = Promise.all([
    waitUntilUp(options, child.port, signal).then((up) => up && onReady()),
    watchForStall({ ...options, port: child.port, signal }).then((stalled) => {
      if (stalled === undefined) return
      log.error({ chain: stalled.id }, 'new blocks are not being indexed; restarting Ponder')
      return child.stop()
    }),
  ])
  try {
    return await child.exited
  } finally {
    ended.abort()
    await watching
  }
}

async function waitUntilUp(
  { db, schema }: PonderOptions,
  port: number,
  signal: AbortSignal,
): Promise<boolean> {
  while (!signal.aborted) {
    const health = await fetch(`http://127.0.0.1:${port}/health`, { signal }).catch(() => undefined)
    if (health?.ok) {
      const rows = await isIngestAttached(db, [schema]).catch(() => [])
      if (rows[0]?.attached) return true
    }
    await delay(50, undefined, { signal }).catch(() => {})
  }
  return false
}
