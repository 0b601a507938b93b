import { getBlock } from 'viem/actions'
import type { ConfiguredChain } from '../src/config.ts'
import type { Database } from '../src/db.ts'
import type { Log } from '../src/log.ts'
import {
  type ChainAlert,
  keepFinalBlock,
  raiseChainAlert,
  readFinalBlocks,
  resolveChainAlert,
} from '../src/store/chains.ts'
import { connectRpc } from './check-rpc.ts'

/** What is remembered of a chain between two checks. */
export type FinalityMemory = {
  /** The newest final block whose hash is kept. */
  keptBlock: number | undefined
  checkedAtMs: number
  /** The last check found another hash. Endpoints lie now and then, so the next look has to find it too. */
  doubtful: boolean
}

type CheckedChain = Pick<ConfiguredChain, 'id' | 'name' | 'rpcUrl'>

/** Twice a minute: a person has to decide what follows, and 2,880 requests a day are few. */
const everyMs = 30_000
const answerMaxMs = 4_000

/**
 * Keeps the hash of each block that becomes final, and raises an alert when the newest of them has become another one: a reorganisation
 * deeper than finality. Ponder takes back no such thing. It fails when it meets one, and misses one that happens while it is down.
 */
export async function checkFinality(
  chain: CheckedChain,
  finalizedBlock: number,
  { alert, last, nowMs }: { alert: ChainAlert | undefined; last: FinalityMemory | undefined; nowMs: number },
  { db, log }: { db: Database; log: Log },
): Promise<FinalityMemory> {
  const [newest] = last === undefined ? await readFinalBlocks(db, [chain.id]) : []
  let keptBlock = last === undefined ? newest?.block_number : last.keptBlock
  const due = last === undefined || last.doubtful || nowMs - last.checkedAtMs >= everyMs
  let doubtful = last?.doubtful ?? false
  // What is kept is checked first: once the chain is another one, nothing is to be added to it.
  if (due) {
    if (alert !== undefined) await resolveIfBack(chain, alert, { db, log })
    const changed = await findChange(chain, db)
    if (changed !== undefined && doubtful && alert === undefined) await raise(chain, changed, { db, log })
    doubtful = changed !== undefined
  }
  if (!doubtful && finalizedBlock > (keptBlock ?? -1)) {
    const hash = await readHash(chain, finalizedBlock)
    if (hash !== undefined) {
      await keepFinalBlock(db, [chain.id, finalizedBlock, hash])
      keptBlock = finalizedBlock
    }
  }
  return { keptBlock, doubtful, checkedAtMs: due ? nowMs : (last?.checkedAtMs ?? nowMs) }
}

type Change = { block: number; before: string; now: string }

/** Whether the newest final block is another one now. No answer, or none yet, says nothing. */
async function findChange(chain: CheckedChain, db: Database): Promise<Change | undefined> {
  const [newest] = await readFinalBlocks(db, [chain.id])
  if (newest === undefined) return undefined
  const now = await readHash(chain, newest.block_number)
  return now === undefined || now === newest.block_hash
    ? undefined
    : { block: newest.block_number, before: newest.block_hash, now }
}

async function raise(
  chain: CheckedChain,
  { block, before, now }: Change,
  { db, log }: { db: Database; log: Log },
): Promise<void> {
  const common = await findCommon(chain, db)
  const message = `${chain.name}: block ${block}, which was final, is another one now (${before} before, ${now} now): the chain went back further than finality allows. ${
    common === undefined
      ? 'None of the final blocks that were noted is still there.'
      : `Block ${common} is still the same.`
  } Events after it may be of blocks that no chain has. Index into a new database, or make sure that the endpoint tells the truth.`
  const raised = await raiseChainAlert(db, [
    'deep_reorg',
    chain.id,
    message,
    { block, hash: before, common_block: common ?? null },
  ])
  if (raised.length > 0) {
    log.error({ chain: chain.id, block }, `${chain.name} has reorganised blocks that were final`)
  }
}

/** The newest final block that the chain still has. */
async function findCommon(chain: CheckedChain, db: Database): Promise<number | undefined> {
  for (const { block_number, block_hash } of await readFinalBlocks(db, [chain.id])) {
    if ((await readHash(chain, block_number)) === block_hash) return block_number
  }
  return undefined
}

/** A chain that came back to the block is as it was before. */
async function resolveIfBack(
  chain: CheckedChain,
  { detail }: ChainAlert,
  { db, log }: { db: Database; log: Log },
): Promise<void> {
  const [block, hash] = [Number(detail?.block), detail?.hash]
  if (Number.isNaN(block) || (await readHash(chain, block)) !== hash) return
  await resolveChainAlert(db, ['deep_reorg', chain.id])
  log.info({ chain: chain.id, block }, `${chain.name} has the final block again that it had before`)
}

/** `undefined`: no such block, or no answer. */
async function readHash({ rpcUrl }: CheckedChain, block: number): Promise<string | undefined> {
  const found = getBlock(connectRpc(rpcUrl, answerMaxMs), { blockNumber: BigInt(block) })
  return found.then(({ hash }) => hash).catch(() => undefined)
}
