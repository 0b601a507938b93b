import canonicalize from 'canonicalize'
import type { RpcLog } from 'viem'
import type { RegistryEventRow } from '../indexer/decode.ts'
import { addressesOf, knownChains } from '../src/chains.ts'
import { registries } from '../src/event.ts'
import { readRawLog } from '../test/support/read-raw-log.ts'
import type { ExpectedRow } from './judge.ts'

/**
 * What `events` must hold of a chain, from its own answer to one `eth_getLogs` over all blocks, and with viem's decoder in the place of
 * Ponder's. In the order of the chain.
 */
export async function readExpectedRows(chainId: number, url: string): Promise<ExpectedRow[]> {
  const chain = knownChains.find(({ id }) => id === chainId)
  if (chain === undefined) throw new Error(`Chain ${chainId} is not in src/chains.ts`)
  const filter = {
    address: registries.flatMap((registry) => addressesOf(chain, registry)),
    fromBlock: '0x0',
    toBlock: 'latest',
  }
  const response = await fetch(url, {
    method: 'POST',
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_getLogs', params: [filter] }),
  })
  const { result } = (await response.json()) as { result: RpcLog[] }

  // Feedback of revisions 1 to 3 has no number of its own: it is counted along the chain.
  const given = new Map<string, number>()
  return result.flatMap((log) => {
    const row = readRawLog(placeOf(chainId, log))
    if (row === undefined) return []
    if (row.event_type === 'NewFeedback' && row.feedback_index === null) {
      const pair = `${row.contract_address} ${row.agent_id} ${row.client_address}`
      given.set(pair, (given.get(pair) ?? 0) + 1)
      row.feedback_index = String(given.get(pair))
    }
    return [{ chainId, blockHash: row.block_hash, logIndex: row.log_index, content: contentOf(row) }]
  })
}

/** The columns that follow from a log alone; equal values give equal texts. */
export function contentOf(row: RegistryEventRow): Record<string, string> {
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, canonicalize(value) ?? '']))
}

/** Where a log stands, as our decoder wants to know it. */
export function placeOf(chainId: number, log: RpcLog) {
  return {
    chainId,
    block: {
      number: BigInt(log.blockNumber ?? 0),
      hash: log.blockHash ?? '',
      timestamp: BigInt(log.blockTimestamp ?? 0),
    },
    transaction: { hash: log.transactionHash ?? '', transactionIndex: Number(log.transactionIndex) },
    log: { ...log, logIndex: Number(log.logIndex) },
  }
}
