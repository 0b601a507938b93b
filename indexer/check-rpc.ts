import { setTimeout as delay } from 'node:timers/promises'
import { createClient, HttpRequestError, http, TimeoutError } from 'viem'
import { getBlockNumber, getChainId } from 'viem/actions'
import type { ConfiguredChain } from '../src/config.ts'
import { UserError } from '../src/errors.ts'

type Endpoint = Pick<ConfiguredChain, 'id' | 'name' | 'rpcUrl'>

/** How long a start waits for an endpoint that does not answer properly: a node that is starting too, or a busy provider. */
const patienceMs = 8000

/**
 * Asks every chain's endpoint who it is.
 *
 * @throws UserError in one sentence a chain, naming the variable and the host (never more of the URL, which can hold a key).
 */
export async function checkRpcs(chains: readonly Endpoint[], signal: AbortSignal): Promise<void> {
  const problems = await Promise.all(chains.map((chain) => findProblem(chain, signal)))
  const found = problems.filter((problem) => problem !== undefined)
  if (found.length > 0) throw new UserError(found.join('\n'))
}

/** The number of the chain's newest block. */
export async function readHead({ rpcUrl }: Endpoint): Promise<number> {
  return Number(await getBlockNumber(connect(rpcUrl, 4000), { cacheTime: 0 }))
}

async function findProblem(chain: Endpoint, signal: AbortSignal): Promise<string | undefined> {
  const { host } = new URL(chain.rpcUrl)
  const deadline = Date.now() + patienceMs
  for (;;) {
    try {
      const chainId = await getChainId(connect(chain.rpcUrl, Math.max(deadline - Date.now(), 500)))
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

function connect(rpcUrl: string, timeoutMs: number) {
  return createClient({ transport: http(rpcUrl, { timeout: timeoutMs, retryCount: 0 }) })
}
