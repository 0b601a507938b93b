import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { checkRpcs } from '../../indexer/check-rpc.ts'
import { type HeadRelay, startHeadRelay } from '../../indexer/head-relay.ts'
import { loadConfig } from '../../src/config.ts'
import { type LocalChain, startAnvil } from '../../src/dev/start-anvil.ts'
import { createLog } from '../../src/log.ts'
import { until } from '../support/until.ts'

const log = createLog({ level: 'silent', format: 'json' }, 'test')
let chain: LocalChain
let relay: HeadRelay | undefined

beforeEach(async () => {
  chain = await startAnvil()
})
afterEach(async () => {
  await relay?.close()
  await chain.stop()
})

const start = async (wsUrl: string) => {
  const { chains } = loadConfig({ RPC_URL_31337: chain.rpcUrl, WS_URL_31337: wsUrl })
  relay = await startHeadRelay(chains, log)
  return relay.urlOf(31337)
}

/** Subscribes as Ponder does; collects the numbers of the heads that come. */
const subscribe = async (url: string) => {
  const socket = new WebSocket(url)
  const heads: number[] = []
  socket.on('message', (data) => {
    const message = JSON.parse(String(data))
    if (message.method === 'eth_subscription') heads.push(Number(message.params.result.number))
  })
  await once(socket, 'open')
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }))
  return heads
}

const mine = async (blocks: number) => {
  for (let mined = 0; mined < blocks; mined += 1) await chain.call('evm_mine')
}

/** Whether heads come one by one: polling would skip some of a burst. */
const deliversEach = async (heads: number[]) => {
  const from = Number(await chain.call('eth_blockNumber'))
  await mine(20)
  await until('the last one has come', () => heads.at(-1) === from + 20)
  return distinct(heads.filter((head) => head > from)).length === 20
}

/** Without the repetitions of a head that stood for a while. */
const distinct = (heads: number[]) => heads.filter((head, index) => head !== heads[index - 1])

test('a subscriber gets the newest head at once, and again, while the chain stands still', async () => {
  await mine(3)
  const url = await start(chain.wsUrl)
  const heads = await subscribe(url)
  await until('the head has come', () => heads.length > 0)
  await until('it has come again', () => heads.length > 2)
  expect(new Set(heads)).toEqual(new Set([3]))
  const second = await subscribe(url)
  await until('the head has come to the second one', () => second.length > 0)
  expect(second).toContain(3)
})

test('every new head comes once, in order', async () => {
  const heads = await subscribe(await start(chain.wsUrl))
  await until('the first head has come', () => heads.length > 0)
  await until('the WebSocket delivers', () => deliversEach(heads))
  const from = Number(await chain.call('eth_blockNumber'))
  await until('all of them have come', () => heads.at(-1) === from)
  await mine(20)
  await until('the last one has come', () => heads.at(-1) === from + 20)
  expect(distinct(heads.slice(heads.indexOf(from)))).toEqual(
    Array.from({ length: 21 }, (_, index) => from + index),
  )
})

test('heads go on coming when the WebSocket is refused', async () => {
  const heads = await subscribe(await start('ws://127.0.0.1:9'))
  await mine(2)
  await until('the head has come by polling', () => heads.at(-1) === 2)
})

test('an endpoint whose WebSocket accepts and never answers is used all the same', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const wsUrl = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`
  try {
    const { chains } = loadConfig({ RPC_URL_31337: chain.rpcUrl, WS_URL_31337: wsUrl })
    await checkRpcs(chains, { log, signal: new AbortController().signal })
    const heads = await subscribe(await start(wsUrl))
    await mine(2)
    await until('the head has come by polling', () => heads.at(-1) === 2)
  } finally {
    silent.close()
  }
})

test('heads go on coming when the WebSocket is silently dead', async () => {
  const proxy = await startProxy(chain.port)
  try {
    const heads = await subscribe(await start(`ws://127.0.0.1:${proxy.port}`))
    await until('the WebSocket delivers', () => deliversEach(heads))
    proxy.fallSilent()
    for (const round of [1, 2]) {
      await mine(5)
      const head = Number(await chain.call('eth_blockNumber'))
      await until(`the head has come all the same in round ${round}`, () => heads.at(-1) === head, 15_000)
    }
    expect(heads).toEqual(heads.toSorted((a, b) => a - b))
  } finally {
    await proxy.close()
  }
})

/** A way to the chain that can stop carrying anything without closing. */
async function startProxy(target: number) {
  const sockets: Socket[] = []
  let silent = false
  const server: Server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    sockets.push(near, far)
    near.on('data', (data) => silent || far.write(data)).on('error', () => {})
    far.on('data', (data) => silent || near.write(data)).on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    fallSilent: () => {
      silent = true
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
