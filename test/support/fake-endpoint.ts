import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { keccak256, numberToHex, toHex } from 'viem'

/** A JSON-RPC endpoint with blocks and nothing in them. */
export type FakeEndpoint = {
  rpcUrl: string
  head: number
  /** The first block that is of `fork`, and the fork: another one gives other hashes from there on. */
  forkedAt: number
  fork: number
  /** Whether it answers. */
  up: boolean
  hashOf(block: number): string
  close(): Promise<void>
}

export async function startFakeEndpoint(chainId: number): Promise<FakeEndpoint> {
  const answer = (method: string, params: unknown[]) => {
    if (method === 'eth_chainId') return numberToHex(chainId)
    const number = params[0] === 'latest' ? endpoint.head : Number(params[0])
    if (number > endpoint.head) return null
    const zero = numberToHex(0, { size: 32 })
    return {
      ...{
        number: numberToHex(number),
        hash: endpoint.hashOf(number),
        parentHash: endpoint.hashOf(number - 1),
      },
      ...{
        timestamp: numberToHex(1_700_000_000 + number * 2),
        transactions: [],
        logsBloom: zero,
        difficulty: '0x0',
      },
      ...{ gasLimit: '0x0', gasUsed: '0x0', size: '0x0', totalDifficulty: '0x0', nonce: '0x0', uncles: [] },
    }
  }
  const server = createServer(async (request, response) => {
    if (!endpoint.up) return void response.writeHead(503).end()
    let text = ''
    for await (const chunk of request) text += chunk
    const { id, method, params } = JSON.parse(text) as { id: number; method: string; params: unknown[] }
    const result = answer(method, params)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint: FakeEndpoint = {
    rpcUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-key`,
    head: 0,
    forkedAt: Number.POSITIVE_INFINITY,
    fork: 0,
    up: true,
    hashOf: (block) => keccak256(toHex(`${block} ${block >= endpoint.forkedAt ? endpoint.fork : 0}`)),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return endpoint
}
