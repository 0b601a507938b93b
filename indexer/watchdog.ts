import { setTimeout as delay } from 'node:timers/promises'
import type { ConfiguredChain } from '../src/config.ts'
import type { Database } from '../src/db.ts'
import type { Log } from '../src/log.ts'
import { readCheckpoints } from '../src/store/ingest.ts'

/** What the watchdog saw of one chain: the head by its endpoint, and our checkpoint. */
export type Observation = { chainId: number; head: number; block: number; updatedAtMs: number }

/** The newest head it saw of each chain, and since when blocks have come without our checkpoint moving. */
export type WatchState = Map<
  number,
  { head: number; updatedAtMs: number; waitingSinceMs: number | undefined }
>

const intervalMs = 5000

/** Longer than any pause of Ponder's own: it fails over between endpoints in 14 s, and retries a request for about 30 s. */
const stallMs = 60_000

/**
 * Watches that the checkpoints follow the chains. Ponder's WebSocket has no ping: one that died quietly delivers no more
 * blocks, and nobody would notice.
 *
 * @returns the chain that has stalled, or `undefined` when `signal` aborts.
 */
export async function watchForStall(options: {
  chains: readonly ConfiguredChain[]
  db: Database
  headOf: (chainId: number) => number | undefined
  port: number
  log: Log
  signal: AbortSignal
}): Promise<ConfiguredChain | undefined> {
  const { chains, db, headOf, port, log, signal } = options
  const state: WatchState = new Map()
  while (!signal.aborted) {
    await delay(intervalMs, undefined, { signal }).catch(() => {})
    if (signal.aborted || !(await isReady(port))) continue
    try {
      const stalled = findStall(state, await observe(chains, db, headOf), Date.now())
      if (stalled !== undefined) return chains.find((chain) => chain.id === stalled)
    } catch (error) {
      // The database is away. Ponder notices that itself, and a restart would not bring it back.
      log.debug({ error: (error as Error).message }, 'the watchdog could not look at the checkpoints')
    }
  }
  return undefined
}

/**
 * Takes note of observations and names a chain whose head has moved since our checkpoint last did, `stallMs` ago or more.
 * A head that stands still proves nothing, however far we are behind it: Ponder waits for the next block.
 */
export function findStall(
  state: WatchState,
  observations: readonly Observation[],
  nowMs: number,
): number | undefined {
  for (const { chainId, head, block, updatedAtMs } of observations) {
    const last = state.get(chainId)
    const moved = last === undefined || last.updatedAtMs !== updatedAtMs || block >= head
    const waitingSinceMs = moved ? undefined : (last.waitingSinceMs ?? (head > last.head ? nowMs : undefined))
    state.set(chainId, { head, updatedAtMs, waitingSinceMs })
    if (waitingSinceMs !== undefined && nowMs - waitingSinceMs >= stallMs) return chainId
  }
  return undefined
}

async function observe(
  chains: readonly ConfiguredChain[],
  db: Database,
  headOf: (chainId: number) => number | undefined,
): Promise<Observation[]> {
  const checkpoints = await readCheckpoints(db, [chains.map((chain) => chain.id)])
  return checkpoints.flatMap(({ chain_id, last_block_number, updated_at }) => {
    const head = headOf(chain_id)
    // No answer from the endpoint: nothing to learn this time.
    return head === undefined
      ? []
      : [{ chainId: chain_id, head, block: last_block_number, updatedAtMs: updated_at.getTime() }]
  })
}

/** While Ponder reads history its checkpoints can stand still for long. */
async function isReady(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(2000) })
    return response.ok
  } catch {
    return false
  }
}
