import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createPublicClient, http, webSocket } from 'viem'
import { type WebSocket as Socket, WebSocketServer } from 'ws'
import type { ConfiguredChain } from '../src/config.ts'
import { describeError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import { within } from '../src/within.ts'

/** A block header as the endpoint gave it; what Ponder needs of it, Ponder checks. */
type Header = { number: string; hash: string }

export type HeadRelay = {
  /** Where Ponder subscribes to the new heads of a chain. */
  urlOf(chainId: number): string
  close(): Promise<void>
}

/** While the WebSocket delivers, the endpoint is asked this often all the same: a connection can die without a sign. */
const checkMs = 5_000
const reconnectMs = 5_000

/** A head that stands is announced again this often. */
const repeatMs = 1_000

/** How much later than the answer to a question a WebSocket may tell of the same block. */
const graceMs = 3_000

const requestMaxMs = 10_000

/**
 * Stands between Ponder and the WebSockets of the chains, and makes up for what they lack. A subscriber gets the newest
 * head at once and again while it stands: Ponder reads unfinalized blocks only when a head comes, no more than 50 of them,
 * and on a quiet chain none may come for long. And heads go on coming when a WebSocket is refused, closed, or silently
 * dead: then the chain's RPC endpoint is polled.
 */
export async function startHeadRelay(chains: readonly ConfiguredChain[], log: Log): Promise<HeadRelay> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const stop = new AbortController()
  const sources = new Map(
    chains.flatMap((chain) =>
      chain.wsUrl === undefined ? [] : [[`/${chain.id}`, followHeads(chain, chain.wsUrl, log, stop.signal)]],
    ),
  )
  server.on('connection', (socket, request) => {
    const source = sources.get(request.url ?? '')
    if (source === undefined) return socket.close()
    serveSubscriber(socket, source)
  })
  return {
    urlOf: (chainId) => `ws://127.0.0.1:${port}/${chainId}`,
    close: async () => {
      stop.abort()
      for (const socket of server.clients) socket.terminate()
      server.close()
      await once(server, 'close')
    },
  }
}

type HeadSource = {
  /** Calls back with every new head until the returned function is called; first of all with the newest one. */
  subscribe(onHead: (header: Header) => void): () => void
}

function serveSubscriber(socket: Socket, source: HeadSource): void {
  const subscription = '0x1'
  let unsubscribe = () => {}
  const send = (message: object) => socket.send(JSON.stringify({ jsonrpc: '2.0', ...message }))
  socket.on('error', () => {})
  socket.on('close', () => unsubscribe())
  socket.on('message', (data) => {
    const { id, method } = JSON.parse(String(data)) as { id: number; method: string }
    if (method !== 'eth_subscribe') return send({ id, result: true })
    send({ id, result: subscription })
    unsubscribe()
    unsubscribe = source.subscribe((result) =>
      send({ method: 'eth_subscription', params: { subscription, result } }),
    )
  })
}

/** The heads of one chain: from its WebSocket, and by asking its RPC endpoint where that says nothing. */
function followHeads(chain: ConfiguredChain, wsUrl: string, log: Log, signal: AbortSignal): HeadSource {
  const rpc = createPublicClient({ transport: http(chain.rpcUrl, { timeout: requestMaxMs, retryCount: 0 }) })
  const subscribers = new Set<(header: Header) => void>()
  let newest: Header | undefined
  /** Set while the WebSocket is believed to deliver; aborting it ends the connection. */
  let connection: AbortController | undefined

  const pause = (ms: number) => delay(ms, undefined, { signal }).catch(() => {})
  const announce = (header: Header) => {
    for (const subscriber of subscribers) subscriber(header)
  }
  const publish = (header: Header) => {
    if (header.hash === newest?.hash) return
    newest = header
    announce(header)
  }
  // By height: endpoints can lag behind. What replaced blocks of the same height shows with the next one.
  const isNews = ({ number }: Header) => newest === undefined || BigInt(number) > BigInt(newest.number)

  const ask = async () => {
    const header = (await rpc.request({
      method: 'eth_getBlockByNumber',
      params: ['latest', false],
    })) as Header
    // The WebSocket may be about to say the same, and heads must not overtake each other.
    if (connection !== undefined && isNews(header)) await pause(graceMs)
    if (!isNews(header)) return
    publish(header)
    connection?.abort(new Error('it has fallen silent'))
  }
  const poll = async () => {
    while (!signal.aborted) {
      await ask().catch((error) => {
        log.debug({ chain: chain.id, error: describeError(error) }, 'no answer about the newest block')
      })
      await pause(connection === undefined ? chain.pollingIntervalMs : checkMs)
    }
  }
  const listen = async () => {
    while (!signal.aborted) {
      const attempt = new AbortController()
      const onConnected = () => {
        connection = attempt
      }
      await listenOnce(wsUrl, AbortSignal.any([signal, attempt.signal]), publish, onConnected).catch(
        (error) => {
          const bindings = { chain: chain.id, host: new URL(wsUrl).host }
          if (connection !== undefined) log.warn(bindings, 'the WebSocket was lost; polling until it is back')
          log.debug({ ...bindings, error: describeError(error) }, 'the WebSocket does not deliver')
        },
      )
      connection = undefined
      await pause(reconnectMs)
    }
  }
  // For Ponder a head that it has is nothing, and one it has not yet reached is a reason to read the next 50 blocks.
  const repeat = async () => {
    while (!signal.aborted) {
      const before = newest
      await pause(repeatMs)
      if (newest !== undefined && newest === before) announce(newest)
    }
  }
  void poll()
  void listen()
  void repeat()
  return {
    subscribe: (onHead) => {
      subscribers.add(onHead)
      if (newest !== undefined) onHead(newest)
      return () => void subscribers.delete(onHead)
    },
  }
}

/** Passes on heads until the connection ends; rejects with the reason. */
async function listenOnce(
  url: string,
  signal: AbortSignal,
  onHead: (header: Header) => void,
  onConnected: () => void,
): Promise<never> {
  const client = createPublicClient({
    transport: webSocket(url, {
      timeout: requestMaxMs,
      retryCount: 0,
      reconnect: false,
      keepAlive: { interval: checkMs },
    }),
  })
  let onAbort = () => {}
  try {
    return await new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason)
      signal.addEventListener('abort', onAbort)
      const subscribed = client.transport.subscribe({
        params: ['newHeads'],
        // Typed as any answer; of this subscription it is the header.
        onData: (data) => onHead((data as unknown as { result: Header }).result),
        onError: reject,
      })
      // A server that accepts and says nothing more would be waited for without end.
      within(requestMaxMs, subscribed).then(onConnected, reject)
    })
  } finally {
    signal.removeEventListener('abort', onAbort)
    void client.transport
      .getRpcClient()
      .then((rpc) => rpc.close())
      .catch(() => {})
  }
}
