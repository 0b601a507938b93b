import { setTimeout as delay } from 'node:timers/promises'
import { readRawLog } from '../test/support/read-raw-log.ts'
import { placeOf } from './expected-rows.ts'
import type { FakeBlock, FakeChain } from './fake-chain.ts'
import type { SeenRow } from './judge.ts'
import { logsOf } from './node-json.ts'
import { type Checkpoint, readAfter, readComplete } from './read-store.ts'
import type { StoreConnection } from './store-connection.ts'

/** Reads while the indexer works, as matchers and streams do. */
export type Observer = {
  seen(): readonly SeenRow[]
  /** Moments at which what was called complete was not: the events up to a checkpoint were those of no branch there ever was. */
  torn(): readonly string[]
  /** Reads once more, and ends. */
  stop(): Promise<void>
}

const pauseMs = 100

/** How often in between the checkpoints are held against the chains. */
const looksPerSnapshot = 4

export function startObserver(store: StoreConnection, chains: readonly FakeChain[]): Observer {
  const seen: SeenRow[] = []
  const torn: string[] = []
  let highest = 0
  let stopping = false

  const look = async () => {
    const rows = await store.use((db) => readAfter(db, highest))
    seen.push(...rows)
    highest = rows.at(-1)?.seq ?? highest
  }
  const check = async () => {
    for (const { checkpoint, events } of await store.use(readComplete)) {
      const chain = chains.find(({ id }) => id === checkpoint.chain_id)
      if (chain === undefined) continue
      const found = events.map(({ block_hash, log_index }) => `${block_hash} ${log_index}`)
      const problem = describeTear(chain, checkpoint, found)
      if (problem !== undefined) torn.push(problem)
    }
  }
  const run = async () => {
    for (let count = 0; !stopping; count++) {
      // The database may just be away: what it would have said is said the next time.
      await look().catch(() => {})
      if (count % looksPerSnapshot === 0) await check().catch(() => {})
      await delay(pauseMs)
    }
  }
  const running = run()
  return {
    seen: () => seen,
    torn: () => torn,
    stop: async () => {
      stopping = true
      await running
      await look()
    },
  }
}

/** The events up to a checkpoint must be those of one branch. */
function describeTear(
  chain: FakeChain,
  { last_block_number, last_block_hash }: Checkpoint,
  found: readonly string[],
): string | undefined {
  const candidates = chain
    .blocksAt(last_block_number)
    .filter(({ hash }) => last_block_hash === null || hash === last_block_hash)
  const expected = candidates.map((tip) => eventsUpTo(chain, tip))
  if (expected.some((keys) => keys.length === found.length && keys.every((key, at) => key === found[at]))) {
    return undefined
  }
  const nearest = expected
    .map((keys) => ({
      missing: keys.filter((key) => !found.includes(key)),
      extra: found.filter((key) => !keys.includes(key)),
    }))
    .sort((a, b) => a.missing.length + a.extra.length - b.missing.length - b.extra.length)[0]
  const place = (key: string) => `${chain.blockByHash(key.split(' ')[0] ?? '')?.number ?? '?'}:${key}`
  return `chain ${chain.id} at checkpoint ${last_block_number} ${last_block_hash ?? ''}: ${candidates.length} branches, missing ${nearest?.missing.map(place).join(', ')}, too many ${nearest?.extra.map(place).join(', ')}`
}

function eventsUpTo(chain: FakeChain, tip: FakeBlock): string[] {
  const blocks: FakeBlock[] = []
  for (let block: FakeBlock | undefined = tip; block !== undefined; block = block.parent)
    blocks.unshift(block)
  return blocks.flatMap((block) => eventKeysOf(chain, block))
}

const keysByBlock = new WeakMap<FakeBlock, readonly string[]>()

/** The logs of a block that are events; it is asked about again and again. */
function eventKeysOf(chain: FakeChain, block: FakeBlock): readonly string[] {
  const known = keysByBlock.get(block)
  if (known !== undefined) return known
  const keys = logsOf(block)
    .filter((log) => readRawLog(placeOf(chain.id, log)) !== undefined)
    .map((log) => `${block.hash} ${Number(log.logIndex)}`)
  keysByBlock.set(block, keys)
  return keys
}
