import { setTimeout as delay } from 'node:timers/promises'
import { getBlock } from 'viem/actions'
import { firstBlockOf } from '../src/chains.ts'
import type { ConfiguredChain } from '../src/config.ts'
import type { Database } from '../src/db.ts'
import { describeError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import {
  type ChainAlert,
  raiseChainAlert,
  readChainAlerts,
  readPositions,
  resolveChainAlert,
  type SeenHead,
  writeHeads,
} from '../src/store/chains.ts'
import { checkFinality, type FinalityMemory } from './check-finality.ts'
import { connectRpc } from './check-rpc.ts'

export type WatchedChain = Pick<
  ConfiguredChain,
  'id' | 'name' | 'registries' | 'legacy' | 'startBlock' | 'rpcUrl'
>

type Seen = { number: number; hash: string; time: Date }

/** What is remembered of a chain between two looks. */
export type ChainMemory = {
  /** The newest head that any look has seen. */
  head: number
  /** The furthest that Ponder has ever been in this run. Reading the same blocks again is no progress. */
  best: number
  waitingSinceMs: number | undefined
  /** Where Ponder was at the looks of the last minute. */
  positions: { atMs: number; block: number }[]
}

export type ChainWatch = {
  /** The newest block that the endpoint of a chain has told of; `undefined` when it did not answer the last time. */
  headOf(chainId: number): number | undefined
}

const intervalMs = 5_000
const answerMaxMs = 4_000
const windowMs = 60_000

/** As the watchdog has it: longer than any pause of Ponder's own. */
const stuckAfterMs = 60_000

/** Ponder names a block of history when it has read a whole range of them, and starts again when an endpoint fails. */
const stuckInHistoryAfterMs = 10 * 60_000

/**
 * Looks at each chain every few seconds until shutdown: keeps its head and our speed in `chain_heads`, raises an alert while its head moves
 * and we do not, and another one when a block that was final has become another one.
 */
export function watchChains(
  chains: readonly WatchedChain[],
  { db, schema, log, signal }: { db: Database; schema: string; log: Log; signal: AbortSignal },
): ChainWatch {
  const looker = createLooker(chains, { db, schema, log })
  const watch = async () => {
    while (!signal.aborted) {
      try {
        await looker.look()
      } catch (error) {
        // The database is away. Whoever needs it more says so.
        log.debug({ error: describeError(error) }, 'could not note where the chains are')
      }
      await delay(intervalMs, undefined, { signal }).catch(() => {})
    }
  }
  void watch()
  return looker
}

/** One look at a time: for tests, which do not wait. */
export function createLooker(
  chains: readonly WatchedChain[],
  { db, schema, log, now = Date.now }: { db: Database; schema: string; log: Log; now?: () => number },
): ChainWatch & { look(): Promise<void> } {
  const heads = new Map<number, number>()
  const memories = new Map<number, ChainMemory>()
  const finalities = new Map<number, FinalityMemory>()

  const look = async () => {
    const [seen, positions] = await Promise.all([
      Promise.all(chains.map(readNewest)),
      readPositions(db, [chains.map(({ id }) => id), schema]),
    ])
    const rows: SeenHead[] = []
    const looks = chains.map((chain, index) => ({ chain, head: seen[index] }))
    for (const { chain, head } of looks) {
      if (head === undefined) heads.delete(chain.id)
      else heads.set(chain.id, head.number)
      const read = positions.find(({ chain_id }) => chain_id === chain.id)?.read_block ?? undefined
      const memory = remember(memories.get(chain.id), { head: head?.number, read, nowMs: now() })
      memories.set(chain.id, memory)
      rows.push({
        chain_id: chain.id,
        start_block: firstBlockOf(chain),
        ...(head && { head_block: head.number, head_hash: head.hash, head_time: head.time.toISOString() }),
        answered: head !== undefined,
        read_block: read ?? null,
        blocks_per_second: speedOf(memory) ?? null,
        waiting_since: isoOf(memory.waitingSinceMs),
      })
    }
    await writeHeads(db, [rows])
    const open = await readChainAlerts(db)
    for (const { chain, head } of looks) {
      const memory = memories.get(chain.id)
      const position = positions.find(({ chain_id }) => chain_id === chain.id)
      if (head === undefined || memory === undefined) continue
      const alertOf = (kind: ChainAlert['kind']) =>
        open.find((alert) => alert.chain_id === chain.id && alert.kind === kind)
      const inHistory = position?.last_block === position?.finalized_block
      await judgeProgress(chain, memory, { alert: alertOf('chain_stuck'), inHistory })
      const finalized = position?.finalized_block ?? undefined
      const known = { alert: alertOf('deep_reorg'), last: finalities.get(chain.id), nowMs: now() }
      if (finalized !== undefined) {
        finalities.set(chain.id, await checkFinality(chain, finalized, known, { db, log }))
      }
    }
  }

  const judgeProgress = async (
    chain: WatchedChain,
    { head, best, waitingSinceMs }: ChainMemory,
    { alert, inHistory }: { alert: ChainAlert | undefined; inHistory: boolean },
  ) => {
    const bindings = { chain: chain.id, head, block: best }
    if (alert !== undefined) {
      // Not merely that it moves again: a Ponder that starts again and again reads the same blocks each time.
      if (best <= Number(alert.detail?.last_block) && best < head) return
      await resolveChainAlert(db, ['chain_stuck', chain.id])
      log.info(bindings, `${chain.name} is being indexed again`)
      return
    }
    const patienceMs = inHistory ? stuckInHistoryAfterMs : stuckAfterMs
    if (waitingSinceMs === undefined || now() - waitingSinceMs < patienceMs) return
    const since = isoOf(waitingSinceMs)
    const { host } = new URL(chain.rpcUrl)
    const message = `${chain.name}: blocks come (the newest is ${head}) and none has been indexed since ${since}; the last one was ${best}. The indexer restarts Ponder by itself. If this lasts, read its log, and check ${host}.`
    const detail = { head, last_block: best, since }
    const raised = await raiseChainAlert(db, ['chain_stuck', chain.id, message, detail])
    if (raised.length > 0) log.error(bindings, `${chain.name} is stuck: blocks come and are not indexed`)
  }

  return { look, headOf: (chainId) => heads.get(chainId) }
}

/** Takes note of a look. A head that stands still proves nothing, however far we are behind it: Ponder waits for the next block. */
export function remember(
  last: ChainMemory | undefined,
  { head, read, nowMs }: { head: number | undefined; read: number | undefined; nowMs: number },
): ChainMemory {
  const newest = Math.max(head ?? 0, last?.head ?? 0)
  const reached = read ?? -1
  const positions = [
    ...(last?.positions ?? []).filter(({ atMs }) => nowMs - atMs <= windowMs),
    ...(read === undefined ? [] : [{ atMs: nowMs, block: read }]),
  ]
  // Up to the head there is nothing to wait for, also where a reorganisation made it lower.
  const arrived = head !== undefined && reached >= head
  if (last === undefined || reached > last.best || arrived) {
    return {
      head: arrived ? (head ?? newest) : newest,
      best: arrived ? reached : Math.max(reached, last?.best ?? -1),
      waitingSinceMs: undefined,
      positions,
    }
  }
  const grew = head !== undefined && head > last.head
  return {
    head: newest,
    best: last.best,
    waitingSinceMs: last.waitingSinceMs ?? (grew ? nowMs : undefined),
    positions,
  }
}

/** Blocks a second over the last minute; `undefined` until there are two looks to compare. */
export function speedOf({ positions }: ChainMemory): number | undefined {
  const [first, last] = [positions[0], positions.at(-1)]
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined
  return Math.max((last.block - first.block) / ((last.atMs - first.atMs) / 1000), 0)
}

async function readNewest({ rpcUrl }: WatchedChain): Promise<Seen | undefined> {
  try {
    const { number, hash, timestamp } = await getBlock(connectRpc(rpcUrl, answerMaxMs), {
      blockTag: 'latest',
    })
    return { number: Number(number), hash, time: new Date(Number(timestamp) * 1000) }
  } catch {
    return undefined
  }
}

function isoOf(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString()
}
