import { numberToHex, type RpcLog } from 'viem'
import type { FakeBlock, FakeChain } from './fake-chain.ts'
import { blockJson, logsOf } from './node-json.ts'

export type RpcRequest = { id: number; method: string; params?: readonly unknown[] }

/** What a node knows: its head, and the blocks that had come into being by then. */
export type NodeView = {
  tip: FakeBlock
  born: number
  /** Says "no logs" of a block that it does not know, where others refuse. */
  forgetful?: boolean
}

type LogFilter = {
  blockHash?: string
  fromBlock?: string
  toBlock?: string
  address?: string | string[]
  topics?: (string | string[] | null)[]
}

/** The result of a call, or its error, from what a node knows. */
export function answer(chain: FakeChain, { method, params = [] }: RpcRequest, view: NodeView): object {
  const known = (block: FakeBlock | undefined) =>
    block !== undefined && block.born <= view.born ? block : undefined
  const give = (block: FakeBlock | undefined) => ({
    result: block === undefined ? null : blockJson(chain, block, params[1] === true ? 'full' : 'hashes'),
  })
  switch (method) {
    case 'eth_chainId':
      return { result: numberToHex(chain.id) }
    case 'eth_blockNumber':
      return { result: numberToHex(view.tip.number) }
    case 'eth_getBlockByNumber':
      return give(numbered(chain, view, params[0]))
    case 'eth_getBlockByHash':
      return give(known(chain.blockByHash(String(params[0]))))
    case 'eth_getLogs': {
      const filter = params[0] as LogFilter
      if (filter.blockHash === undefined) {
        return { result: readRange(chain, view, filter).filter((log) => matches(filter, log)) }
      }
      const block = known(chain.blockByHash(filter.blockHash))
      if (block !== undefined) return { result: logsOf(block).filter((log) => matches(filter, log)) }
      return view.forgetful === true ? { result: [] } : { error: { code: -32000, message: 'unknown block' } }
    }
    default:
      return { error: { code: -32601, message: `the method ${method} does not exist` } }
  }
}

function numbered(chain: FakeChain, { tip }: NodeView, tag: unknown): FakeBlock | undefined {
  return tag === 'latest' ? tip : chain.blockAt(Number(tag), tip)
}

function readRange(chain: FakeChain, view: NodeView, { fromBlock, toBlock }: LogFilter): RpcLog[] {
  const first = Number(fromBlock)
  const blocks: FakeBlock[] = []
  let block =
    toBlock === 'latest' ? view.tip : chain.blockAt(Math.min(Number(toBlock), view.tip.number), view.tip)
  for (; block !== undefined && block.number >= first; block = block.parent) blocks.push(block)
  return blocks.reverse().flatMap(logsOf)
}

function matches({ address, topics = [] }: LogFilter, log: RpcLog): boolean {
  const equal = (wanted: string | string[] | null | undefined, value: string | undefined) =>
    wanted === null ||
    wanted === undefined ||
    [wanted].flat().some((one) => one.toLowerCase() === value?.toLowerCase())
  return equal(address, log.address) && topics.every((wanted, index) => equal(wanted, log.topics[index]))
}
