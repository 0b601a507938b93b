import { setTimeout as delay } from 'node:timers/promises'
import { createClient, HttpRequestError, http, TimeoutError, webSocket } from 'viem'
import { getChainId } from 'viem/actions'
import type { ConfiguredChain } from '../src/config.ts'
import { UserError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import { within } from '../src/within.ts'

type Endpoint = Pick<ConfiguredChain, 'id' | 'name' | 'rpcUrl' | 'wsUrl'>

/** How long a start waits for an endpoint that does not answer properly: a node that is starting too, or a busy provider. */
const patienceMs = 6000

/**
 * Asks every chain's endpoint who it is.
 *
 * @throws UserError in one sentence a chain, naming the variable and the host (never more of the URL, which can hold a key).
 */
export async function checkRpcs(
  chains: readonly Endpoint[],
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<void> {
  const problems = await Promise.all(
    chains.flatMap((chain) => [findProblem(chain, signal), findWebSocketProblem(chain, log)]),
  )
  const found = problems.filter((problem) => problem !== undefined)
  if (found.length > 0) throw new UserError(found.join('\n'))
}

async function findProblem(chain: Endpoint, signal: AbortSignal): Promise<string | undefined> {
  const { host } = new URL(chain.rpcUrl)
  const deadline = Date.now() + patienceMs
  for (;;) {
    try {
      const chainId = await getChainId(connectRpc(chain.rpcUrl, Math.max(deadline - Date.now(), 500)))
      if (chainId === chain.id) return undefined
      return `RPC_URL_${chain.id}: ${host} serves chain ${chainId}, not ${chain.id} (${chain.name}). Correct the URL.`
    } catch (error) {
      if (Date.now() + 500 >= deadline || signal.aborted) {
        return `RPC_URL_${chain.id}: ${host} ${describeFailure(error)}.`
      }
      await delay(500)
    }
  }
}

/** A WebSocket of another chain would feed it to Ponder. One that does not answer only costs time: Ponder polls instead. */
async function findWebSocketProblem({ id, name, wsUrl }: Endpoint, log: Log): Promise<string | undefined> {
  if (wsUrl === undefined) return undefined
  const { host } = new URL(wsUrl)
  const transport = webSocket(wsUrl, { timeout: 4000, retryCount: 0, reconnect: false, keepAlive: false })
  const client = createClient({ transport })
  try {
    // A server that accepts and says nothing more would be waited for without end.
    const chainId = await within(patienceMs, getChainId(client))
    if (chainId === id) return undefined
    return `WS_URL_${id}: ${host} serves chain ${chainId}, not ${id} (${name}). Correct the URL.`
  } catch {
    log.warn({ chain: id, host }, `WS_URL_${id} does not answer; new blocks are asked for instead`)
    return undefined
  } finally {
    void client.transport.getRpcClient().then(
      (socket) => socket.close(),
      () => {},
    )
  }
}

/** What went wrong, in our own words: viem's messages quote the whole URL. */
function describeFailure(error: unknown): string {
  if (error instanceof TimeoutError) {
    return 'does not answer. Check the URL, and that the endpoint is up'
  }
  if (error instanceof HttpRequestError) {
    if (error.status === 401 || error.status === 403) {
      return `refuses the request (HTTP ${error.status}). Check the key in the URL`
    }
    if (error.status === 429) return 'has answered too many requests for now (HTTP 429). Try again later'
    if (error.status !== undefined) {
      return `answers with HTTP ${error.status} and not with JSON-RPC. Check the URL`
    }
    const code = findCode(error)
    if (code !== undefined) {
      return `cannot be reached (${code}). Check the URL, and that the endpoint is up`
    }
  }
  return 'does not answer eth_chainId as a JSON-RPC endpoint would. Check the URL'
}

function findCode(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string') return cause.code
  }
  return undefined
}

/** A client that asks once: whoever calls it knows better when to ask again. */
export function connectRpc(rpcUrl: string, timeoutMs: number) {
  return createClient({ transport: http(rpcUrl, { timeout: timeoutMs, retryCount: 0 }) })
}
