import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { numberToHex } from 'viem'
import { type WebSocket, WebSocketServer } from 'ws'
import type { FakeBlock, FakeChain } from './fake-chain.ts'
import { answer, type NodeView, type RpcRequest } from './node-answers.ts'
import type { HttpFault, NodeFaults, WebSocketFault } from './node-faults.ts'
import { blockJson } from './node-json.ts'

/** A JSON-RPC endpoint of a fake chain, over HTTP and WebSocket, that is as bad as its faults make it. */
export type FakeNode = {
  rpcUrl: string
  wsUrl: string
  /** Answers at once and truly, whatever the faults: for the judge. */
  truthUrl: string
  faults: NodeFaults
  /** Tells the subscribers of a new head, as far as the faults allow. */
  announce(head: FakeBlock): void
  /** Ends every WebSocket connection. */
  dropSockets(): void
  /** Resolves when so many more requests have come over HTTP, or after `timeoutMs`. */
  waitForRequests(count: number, timeoutMs: number): Promise<void>
  requests(): number
  close(): Promise<void>
}

export async function startFakeNode(chain: FakeChain, faults: NodeFaults): Promise<FakeNode> {
  let requests = 0
  const counting = new Set<() => void>()

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const call = JSON.parse(Buffer.concat(chunks).toString()) as RpcRequest
    const truthful = request.url === '/truth'
    if (!truthful) {
      requests += 1
      for (const check of counting) check()
    }
    const fault = truthful ? undefined : faults.forRequest()
    const { status, body } = await respond(chain, call, fault)
    if (status === undefined) return void response.destroy()
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const server = createServer((request, response) => {
    response.on('error', () => {})
    serve(request, response).catch(() => response.destroy())
  })
  server.keepAliveTimeout = 60_000

  const sockets = new WebSocketServer({ noServer: true })
  const subscribers = new Set<WebSocket>()
  server.on('upgrade', (request, socket, head) => {
    if (faults.forSocket().refused) return void socket.destroy()
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('error', () => {})
      client.on('close', () => subscribers.delete(client))
      client.on('message', (data) => {
        const call = JSON.parse(String(data)) as RpcRequest
        if (call.method === 'eth_subscribe') {
          subscribers.add(client)
          return client.send(JSON.stringify({ jsonrpc: '2.0', id: call.id, result: '0xcafe' }))
        }
        client.send(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...answer(chain, call, truth(chain)) }))
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const send = (block: FakeBlock) => {
    const result = blockJson(chain, block, 'header')
    const message = { method: 'eth_subscription', params: { subscription: '0xcafe', result } }
    for (const client of subscribers) client.send(JSON.stringify({ jsonrpc: '2.0', ...message }))
  }
  return {
    rpcUrl: `http://127.0.0.1:${port}/`,
    wsUrl: `ws://127.0.0.1:${port}/`,
    truthUrl: `http://127.0.0.1:${port}/truth`,
    faults,
    announce: (head) => announce(head, faults.forSocket(), send),
    dropSockets: () => {
      for (const client of sockets.clients) client.terminate()
    },
    waitForRequests: (count, timeoutMs) =>
      new Promise((resolve) => {
        const target = requests + count
        const done = () => {
          clearTimeout(timer)
          counting.delete(check)
          resolve()
        }
        const check = () => requests >= target && done()
        const timer = setTimeout(done, timeoutMs)
        counting.add(check)
        check()
      }),
    requests: () => requests,
    close: async () => {
      for (const client of sockets.clients) client.terminate()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function announce(head: FakeBlock, fault: WebSocketFault, send: (block: FakeBlock) => void): void {
  if (fault.silent) return
  if (fault.delayMs > 0) {
    setTimeout(send, fault.delayMs, head)
    return
  }
  send(head)
  if (fault.repeatsParent && head.parent !== undefined) send(head.parent)
  if (fault.repeats) send(head)
}

function truth(chain: FakeChain): NodeView {
  return { tip: chain.head(), born: chain.born() }
}

/** Without a status the connection is cut. */
async function respond(
  chain: FakeChain,
  call: RpcRequest,
  fault: HttpFault | undefined,
): Promise<{ status?: number; body?: unknown }> {
  const envelope = { jsonrpc: '2.0', id: call.id }
  const say = (view: NodeView) => ({ status: 200, body: { ...envelope, ...answer(chain, call, view) } })
  switch (fault?.kind) {
    case undefined:
      return say(truth(chain))
    case 'slow':
      await delay(fault.delayMs)
      return say(truth(chain))
    case 'hang':
      await delay(fault.delayMs)
      return {}
    case 'refuse':
      return { status: 429, body: { ...envelope, error: { code: 429, message: 'Too Many Requests' } } }
    case 'fail':
      return fault.status === 200
        ? { status: 200, body: { ...envelope, error: { code: -32000, message: 'header not found' } } }
        : { status: fault.status, body: { ...envelope, error: { code: -32603, message: 'bad gateway' } } }
    case 'stuck':
      return say({ tip: fault.tip, born: fault.born, forgetful: fault.forgetful })
    case 'ghost':
      return asksForHead(call) ? ghost(chain, call, fault.ahead) : say(truth(chain))
    case 'behind': {
      const tip = chain.blockAt(Math.max(chain.head().number - fault.blocks, 0)) ?? chain.head()
      return say(asksForHead(call) ? { tip, born: chain.born() } : truth(chain))
    }
  }
}

function asksForHead({ method, params }: RpcRequest): boolean {
  return method === 'eth_blockNumber' || (method === 'eth_getBlockByNumber' && params?.[0] === 'latest')
}

/** A head that does not exist, nor its parent. */
function ghost(chain: FakeChain, call: RpcRequest, ahead: number) {
  const head = chain.head()
  const [hash, parentHash] = [7, 8].map((digit) => numberToHex(BigInt(head.born * 100 + digit), { size: 32 }))
  const number = numberToHex(head.number + ahead)
  const body = { ...blockJson(chain, head, 'full'), number, hash, parentHash, transactions: [] }
  const result = call.method === 'eth_blockNumber' ? number : body
  return { status: 200, body: { jsonrpc: '2.0', id: call.id, result } }
}
