import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encodeAbiParameters, encodeEventTopics, type Hex, keccak256, numberToHex, toHex } from 'viem'
import { identityAbi, reputationAbi, validationAbi } from '../indexer/abi.ts'
import type { Registries } from '../src/chains.ts'
import type { EventType } from '../src/event.ts'

/** An endpoint of a chain that is there already and never grows. What is asked is answered from texts that are made beforehand. */
export type ChainServer = {
  rpcUrl: string
  /** The id of its last event. */
  lastEventId: string
  /** When it was first asked for logs since the last call; the call forgets it. */
  takeFirstAskedAtMs(): number
  close(): Promise<void>
}

type Log = { address: string; topic0: string; json: string }

type LogFilter = {
  fromBlock: Hex
  toBlock: Hex
  address?: string | string[]
  topics?: (string | string[] | null)[]
}

const transactionsABlock = 10
/** So that every event lies in what Ponder calls history: it holds the newest 30 blocks to be unfinalized. */
const emptyBlocks = 40
const genesisTimeS = 1_760_000_000
const account = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'
const zero32 = numberToHex(0, { size: 32 })

/** How many of a hundred events are of a type, about as registries emit them. */
const shares: [EventType, number][] = [
  ['NewFeedback', 70],
  ['Registered', 8],
  ['Transfer', 8],
  ['MetadataSet', 6],
  ['ResponseAppended', 4],
  ['ValidationResponse', 4],
]

export async function startChainServer(
  chain: { id: number; registries: Registries },
  { events, eventsABlock }: { events: number; eventsABlock: number },
): Promise<ChainServer> {
  const blocks = Math.ceil(events / eventsABlock)
  const head = blocks + emptyBlocks
  // By address and topic, as they are asked for: an answer is texts put together.
  const logs = Array.from({ length: blocks }, (_, index) =>
    groupLogs(makeLogs(chain.registries, index + 1, Math.min(eventsABlock, events - index * eventsABlock))),
  )
  let firstAskedAtMs: number | undefined

  const readLogs = ({ fromBlock, toBlock, address, topics }: LogFilter): string[] => {
    const addresses = address && [address].flat().map((text) => text.toLowerCase())
    const topics0 = topics?.[0] == null ? undefined : [topics[0]].flat()
    return logs.slice(Math.max(Number(fromBlock) - 1, 0), Number(toBlock)).flatMap((groups) =>
      groups
        .filter((group) => addresses?.includes(group.address) ?? true)
        .filter(({ topic0 }) => topics0?.includes(topic0) ?? true)
        .map(({ json }) => json),
    )
  }
  const answer = (method: string, params: unknown[]): string => {
    switch (method) {
      case 'eth_chainId':
        return JSON.stringify(numberToHex(chain.id))
      case 'eth_blockNumber':
        return JSON.stringify(numberToHex(head))
      case 'eth_getBlockByNumber': {
        const number = params[0] === 'latest' ? head : Number(params[0])
        return number > head ? 'null' : blockJson(number, number <= blocks)
      }
      case 'eth_getBlockByHash':
        return blockJson(Number(String(params[0]).slice(2, 18)), false)
      case 'eth_getLogs':
        firstAskedAtMs ??= performance.now()
        return `[${readLogs(params[0] as never).join(',')}]`
      default:
        throw new Error(`The bench's chain does not know ${method}`)
    }
  }
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const { id, method, params } = JSON.parse(text) as { id: number; method: string; params: unknown[] }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(`{"jsonrpc":"2.0","id":${id},"result":${answer(method, params)}}`)
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const lastLogs = (events - 1) % eventsABlock
  return {
    rpcUrl: `http://127.0.0.1:${port}`,
    lastEventId: `${chain.id}-${blocks}-${lastLogs}-${hashOf(blocks).slice(2, 18)}`,
    takeFirstAskedAtMs: () => {
      if (firstAskedAtMs === undefined) throw new Error('Nobody has asked for logs')
      const taken = firstAskedAtMs
      firstAskedAtMs = undefined
      return taken
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Begins with the block's number, by which it is found again. */
function hashOf(block: number): Hex {
  // The parent of block 0 is none.
  const number = Math.max(block, 0)
  return `0x${String(number).padStart(16, '0')}${keccak256(toHex(number)).slice(18)}`
}

function transactionHashOf(block: number, index: number): Hex {
  return keccak256(toHex(`${block} ${index}`))
}

function blockJson(number: number, full: boolean): string {
  const place = { blockHash: hashOf(number), blockNumber: numberToHex(number) }
  const transactions = Array.from({ length: full ? transactionsABlock : 0 }, (_, index) => ({
    ...{ hash: transactionHashOf(number, index), transactionIndex: numberToHex(index), ...place },
    ...{ from: account, to: account, input: '0x', value: '0x0', nonce: '0x0', gas: '0x5208', type: '0x0' },
    ...{ gasPrice: '0x1', r: zero32, s: zero32, v: '0x1b' },
  }))
  return JSON.stringify({
    ...{ number: numberToHex(number), hash: hashOf(number), parentHash: hashOf(number - 1), transactions },
    ...{
      timestamp: numberToHex(genesisTimeS + number * 12),
      logsBloom: `0x${(full ? 'f' : '0').repeat(512)}`,
      miner: account,
    },
    ...{ gasUsed: '0x0', gasLimit: '0x1c9c380', baseFeePerGas: '0x1', nonce: '0x0000000000000000' },
    ...{
      mixHash: zero32,
      stateRoot: zero32,
      receiptsRoot: zero32,
      transactionsRoot: zero32,
      sha3Uncles: zero32,
    },
    ...{ size: '0x100', difficulty: '0x0', totalDifficulty: '0x0', extraData: '0x', uncles: [] },
  })
}

function makeLogs(registries: Registries, block: number, count: number): Log[] {
  return Array.from({ length: count }, (_, index) => {
    const agentId = BigInt(block * 7919 + index)
    const { registry, topics, data } = encode(typeOf(index), agentId)
    const address = registries[registry].toLowerCase()
    const transaction = Math.floor((index * transactionsABlock) / count)
    const json = JSON.stringify({
      ...{ address, topics, data, removed: false, logIndex: numberToHex(index) },
      ...{ blockHash: hashOf(block), blockNumber: numberToHex(block) },
      ...{
        transactionHash: transactionHashOf(block, transaction),
        transactionIndex: numberToHex(transaction),
      },
    })
    return { address, topic0: topics[0] ?? '', json }
  })
}

function groupLogs(logs: readonly Log[]): Log[] {
  const groups = new Map<string, Log & { parts: string[] }>()
  for (const { address, topic0, json } of logs) {
    const key = `${address} ${topic0}`
    const group = groups.get(key) ?? { address, topic0, json: '', parts: [] }
    group.parts.push(json)
    groups.set(key, group)
  }
  return [...groups.values()].map(({ parts, ...group }) => ({ ...group, json: parts.join(',') }))
}

function typeOf(index: number): EventType {
  let place = (index * 37) % 100
  for (const [type, share] of shares) {
    if (place < share) return type
    place -= share
  }
  return 'NewFeedback'
}

const text = 'ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
const hash = keccak256('0x01')
const abis = { identity: identityAbi, reputation: reputationAbi, validation: validationAbi }

function argsOf(agentId: bigint): Record<string, unknown> {
  return {
    ...{ agentId, tokenId: agentId, from: account, to: account, owner: account, agentURI: text },
    ...{ indexedMetadataKey: 'description', metadataKey: 'description', metadataValue: toHex('translates') },
    ...{ clientAddress: account, feedbackIndex: agentId, value: agentId % 100n, valueDecimals: 0 },
    ...{ indexedTag1: 'starred', tag1: 'starred', tag2: 'week', endpoint: 'https://agents.example/mcp' },
    ...{ feedbackURI: text, feedbackHash: hash, responder: account, responseURI: text, responseHash: hash },
    ...{ validatorAddress: account, requestHash: hash, response: 90, tag: 'audit' },
  }
}

function encode(type: EventType, agentId: bigint) {
  const args = argsOf(agentId)
  for (const registry of ['identity', 'reputation', 'validation'] as const) {
    const item = abis[registry].find(({ name }) => name === type)
    if (item === undefined) continue
    const inputs = item.inputs.filter((input) => !('indexed' in input && input.indexed))
    const topics = encodeEventTopics({ abi: [item], eventName: type, args } as never) as Hex[]
    const values = inputs.map(({ name }) => args[name ?? ''])
    return { registry, topics, data: encodeAbiParameters(inputs, values as never) }
  }
  throw new Error(`No registry emits ${type}`)
}
