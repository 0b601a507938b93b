import type { Queryable } from '../../src/db.ts'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import { readAgentUri } from '../../src/store/agents.ts'
import { type FileTools, fetchFile } from './fetch-file.ts'
import { createFlightCache, type FlightCache } from './flight-cache.ts'
import { parseRegistrationFile, pickMcpEndpoint, type Registration } from './parse-registration-file.ts'

/** An agent: its id is only unique in one identity registry. */
export type AgentKey = { chainId: number; agentId: string; registryAddress: string }

export type RegistrationTools = FileTools & { db: Queryable; registrations: RegistrationCache }

/** What is kept of a registration file, by its URI. Made by {@link createRegistrationCache}. */
export type RegistrationCache = FlightCache<KnownRegistration>

/** A file without an MCP endpoint is kept with the reason. */
type KnownRegistration = {
  endpoint: string | PermanentError
  active: boolean | undefined
  registrations: Registration[]
}

export type ResolvedEndpoint = {
  endpoint: string
  /** Where the registration file is. */
  uri: string
  /** What the file says; undefined: nothing. */
  active: boolean | undefined
  /**
   * Whether the file names this agent among its registrations: `confirmed` or `contradicted` (it names only others, as a
   * copied file does), `silent` when it names none. The chain decides whose file it is, so this is for people to see.
   */
  registration: 'confirmed' | 'silent' | 'contradicted'
}

/** A file at a web address may change while its URI stays. That is noticed after this long. */
const freshMs = 300_000
const errorMs = 30_000
/** Each holds an address and at most 200 registrations: some 20 MB if all are made as large as they can be. */
const entriesMax = 1000

export function createRegistrationCache(): RegistrationCache {
  return createFlightCache({ entriesMax, valueMs: freshMs, errorMs })
}

/**
 * The address of an agent's MCP server, from the registration file at the URI that the chain has for the agent now. A new
 * URI counts at once; the file behind a URI is read again after five minutes.
 *
 * @throws PermanentError when the agent has no URI, or its file is no registration file with an MCP endpoint.
 * @throws RetryableError when the file could not be fetched now.
 */
export async function resolveMcpEndpoint(
  agent: AgentKey,
  tools: RegistrationTools,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<ResolvedEndpoint> {
  const { chainId, agentId } = agent
  const registryAddress = agent.registryAddress.toLowerCase()
  const name = `agent ${agentId} on chain ${chainId}`
  const [found] = await readAgentUri(tools.db, [chainId, agentId, registryAddress])
  if (found === undefined) {
    throw new PermanentError(`${name} is not known: no registration of it at ${registryAddress} is indexed`)
  }
  const uri = (found.uri ?? '').trim()
  if (uri === '')
    throw new PermanentError(`${name} has no URI, so there is no file that names its MCP server`)

  try {
    const known = await readRegistration(uri, tools, options.signal)
    if (known.endpoint instanceof PermanentError) throw known.endpoint
    return {
      endpoint: known.endpoint,
      uri,
      active: known.active,
      registration: compare(known.registrations, { chainId, agentId, registryAddress }),
    }
  } catch (error) {
    // A new error each time: one that is kept is shared by all who asked.
    if (error instanceof PermanentError)
      throw new PermanentError(`${name}: ${error.message}`, { cause: error.cause })
    if (options.signal?.aborted)
      throw new RetryableError(`${name}: fetching its registration file was stopped`)
    if (!(error instanceof RetryableError)) throw error
    const { retryAfterMs } = error
    throw new RetryableError(`${name}: ${error.message}`, {
      ...(error.cause === undefined ? {} : { cause: error.cause }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  }
}

async function readRegistration(
  uri: string,
  tools: RegistrationTools,
  signal: AbortSignal | undefined,
): Promise<KnownRegistration> {
  const load = async (own: AbortSignal | undefined) => {
    const { bytes } = await fetchFile(uri, tools, { signal: own })
    return summarize(bytes)
  }
  // Read from the URI itself: nothing to wait for, and a key of a megabyte would be the larger part of an entry.
  return /^data:/i.test(uri) ? load(signal) : tools.registrations.get(uri, load, signal)
}

function summarize(bytes: Uint8Array): KnownRegistration {
  const file = parseRegistrationFile(bytes)
  const { active, registrations } = file
  try {
    return { endpoint: pickMcpEndpoint(file), active, registrations }
  } catch (error) {
    if (!(error instanceof PermanentError)) throw error
    return { endpoint: error, active, registrations }
  }
}

function compare(registrations: readonly Registration[], agent: AgentKey): ResolvedEndpoint['registration'] {
  const named = registrations.filter(({ agentId }) => agentId !== undefined)
  if (named.length === 0) return 'silent'
  const isThis = (registration: Registration) =>
    registration.agentId === agent.agentId &&
    registration.chainId === String(agent.chainId) &&
    registration.registryAddress === agent.registryAddress
  return named.some(isThis) ? 'confirmed' : 'contradicted'
}
