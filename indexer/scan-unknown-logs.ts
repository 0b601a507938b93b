import { setTimeout as delay } from 'node:timers/promises'
import { numberToHex, type RpcLog } from 'viem'
import { addressesOf, firstBlockOf } from '../src/chains.ts'
import type { ConfiguredChain } from '../src/config.ts'
import type { Database } from '../src/db.ts'
import { registries } from '../src/event.ts'
import type { Log } from '../src/log.ts'
import {
  dropKnownLogs,
  keepUnknownLogs,
  readUnknownLogScan,
  type UnknownLog,
} from '../src/store/unknown-logs.ts'
import { connectRpc } from './check-rpc.ts'

type ScannedChain = Pick<ConfiguredChain, 'id' | 'registries' | 'legacy' | 'startBlock' | 'rpcUrl'>

/** One request looks through so many blocks; fewer where the endpoint refuses. */
const blocksMax = 2000
const answerMaxMs = 30_000

/** What is found is for people to look at: 288 requests a day and chain are enough. */
const pauseMs = 5 * 60_000

/** Looks through each chain now and then until shutdown. An endpoint that fails is asked again the next time. */
export function watchForUnknownLogs(
  chains: readonly ScannedChain[],
  { db, log, signal }: { db: Database; log: Log; signal: AbortSignal },
): void {
  const watch = async (chain: ScannedChain) => {
    while (!signal.aborted) {
      try {
        const kept = await scanUnknownLogs(db, chain, signal)
        if (kept > 0) log.warn({ chain: chain.id, kept }, 'logs of a registry that no decoder understands')
      } catch (error) {
        // Not the message: it can quote the URL with its key.
        const reason = error instanceof Error ? error.name : 'unknown'
        if (!signal.aborted) log.warn({ chain: chain.id, reason }, 'could not look for unknown logs')
      }
      await delay(pauseMs, undefined, { signal }).catch(() => {})
    }
  }
  for (const chain of chains) void watch(chain)
}

/**
 * Reads every log of a chain's registries in the blocks that have become final since the last time, and keeps those that are
 * no events. Ponder cannot do it: it asks for topics that it knows, and passes over what does not decode.
 *
 * @returns how many were kept.
 */
export async function scanUnknownLogs(
  db: Database,
  chain: ScannedChain,
  signal?: AbortSignal,
): Promise<number> {
  const [position] = await readUnknownLogScan(db, [chain.id])
  if (position === undefined) return 0
  const last = position.finalized_block
  let from = position.last_block === null ? firstBlockOf(chain) : position.last_block + 1
  let blocks = blocksMax
  let kept = 0
  while (from <= last && !signal?.aborted) {
    const to = Math.min(from + blocks - 1, last)
    let logs: UnknownLog[]
    try {
      logs = await readLogs(chain, from, to)
    } catch (error) {
      // Endpoints limit the blocks, or the size of an answer, each in words of its own.
      if (from === to) throw error
      blocks = Math.ceil((to - from + 1) / 2)
      continue
    }
    const [result] = await keepUnknownLogs(db, [chain.id, from, to, logs])
    kept += result?.kept ?? 0
    from = to + 1
    blocks = Math.min(Math.ceil(blocks * 1.1), blocksMax)
  }
  await dropKnownLogs(db, [chain.id])
  return kept
}

async function readLogs(chain: ScannedChain, from: number, to: number): Promise<UnknownLog[]> {
  const logs: RpcLog[] = await connectRpc(chain.rpcUrl, answerMaxMs).request({
    method: 'eth_getLogs',
    params: [
      {
        address: registries.flatMap((registry) => addressesOf(chain, registry)),
        fromBlock: numberToHex(from),
        toBlock: numberToHex(to),
      },
    ],
  } as never)
  return logs.map((log) => {
    const blockHash = String(log.blockHash).toLowerCase()
    return {
      id: `${chain.id}-${Number(log.blockNumber)}-${Number(log.logIndex)}-${blockHash.slice(2, 18)}`,
      block_number: Number(log.blockNumber),
      block_hash: blockHash,
      transaction_hash: String(log.transactionHash).toLowerCase(),
      transaction_index: Number(log.transactionIndex),
      log_index: Number(log.logIndex),
      contract_address: log.address.toLowerCase(),
      topics: log.topics.map((topic) => topic.toLowerCase()),
      data: log.data.toLowerCase(),
    }
  })
}
