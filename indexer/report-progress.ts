import { setTimeout as delay } from 'node:timers/promises'
import { type ChainProgress, describeChain, describeProgress } from '../src/chain-progress.ts'
import type { Database } from '../src/db.ts'
import type { Log } from '../src/log.ts'
import { readChainProgress } from '../src/store/chains.ts'

const intervalMs = 10_000

/** Says how far history has been read, one line for all chains, for as long as some of it is left; then of each chain that it is live. */
export function reportProgress(db: Database, { log, signal }: { log: Log; signal: AbortSignal }): void {
  const reading = new Set<number>()
  const report = async () => {
    while (!signal.aborted) {
      await delay(intervalMs, undefined, { signal }).catch(() => {})
      // The database is away: whoever needs it more says so.
      const rows = await readChainProgress(db).catch(() => [])
      if (signal.aborted) return
      const { line, progress } = nextLine(rows.map(describeProgress), reading)
      if (line !== undefined) log.info({ progress }, line)
    }
  }
  void report()
}

/** What there is to say after a look. `reading` holds the chains that were reading history at the look before. */
export function nextLine(
  chains: readonly ChainProgress[],
  reading: Set<number>,
): { line: string | undefined; progress: object[] } {
  const told = chains.filter(({ chain_id, state }) => state === 'backfilling' || reading.has(chain_id))
  for (const { chain_id, state } of told) {
    if (state === 'backfilling') reading.add(chain_id)
    // A chain that is silent for a while has still to be read.
    else if (state === 'live') reading.delete(chain_id)
  }
  return {
    line: told.length === 0 ? undefined : told.map(describeChain).join(' · '),
    progress: told.map(
      ({ chain_id, state, percent, blocks_per_second, seconds_left, last_block, head_block }) => ({
        chain_id,
        state,
        percent,
        blocks_per_second,
        seconds_left,
        last_block,
        head_block,
      }),
    ),
  }
}
