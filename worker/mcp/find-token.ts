import type { Queryable } from '../../src/db.ts'
import { PermanentError } from '../../src/errors.ts'
import { coversEndpoint, isPrivateWay } from '../../src/mcp-token-endpoint.ts'
import type { SecretBox } from '../../src/secret-box.ts'
import { openMcpToken, type TokenPlace } from '../../src/store/mcp-tokens.ts'
import { createFlightCache } from '../files/flight-cache.ts'

/** A token that may be sent to the endpoint, or why there is none: half a sentence for people. */
export type FoundToken = { token: string } | { token: undefined; reason: string }

export type TokenFinder = (call: {
  triggerId: string
  place: TokenPlace
  endpoint: string
  /** The endpoint is what the agent's registration file says, and not what the trigger's owner wrote. */
  isResolved: boolean
}) => Promise<FoundToken>

/** After a change, a token is used for so long at most. */
const freshMs = 10_000

/**
 * Finds the tokens of triggers' owners. A token goes to the endpoint that its owner gave with it and nowhere else, because whoever
 * owns an agent can let its registration file name any server.
 */
export function createTokenFinder(db: Queryable, secrets: SecretBox): TokenFinder {
  const known = createFlightCache<{ token: string; endpoint: string } | undefined>({
    entriesMax: 10_000,
    valueMs: freshMs,
    errorMs: 1_000,
  })
  return async ({ triggerId, place, endpoint, isResolved }) => {
    const { chainId, agentId } = place
    const name = `agent ${agentId} on chain ${chainId}`
    const found = await known.get(JSON.stringify([triggerId, chainId, agentId]), () =>
      openMcpToken(db, secrets, triggerId, place),
    )
    if (found === undefined) return { token: undefined, reason: `there is no token for ${name}` }
    if (coversEndpoint(found.endpoint, endpoint) && isPrivateWay(endpoint)) return { token: found.token }
    const reason = `the token for ${name} is for ${found.endpoint}`
    if (!isResolved) return { token: undefined, reason }
    throw new PermanentError(
      `${reason}, and its registration file now names ${endpoint}. Nothing was sent. If the move is right, store the token again with PUT /v1/mcp-tokens/${chainId}/${agentId} for that address`,
    )
  }
}
