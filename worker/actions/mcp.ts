import type { McpActionConfig } from '../../src/actions/mcp.ts'
import { knownChains } from '../../src/chains.ts'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import { type DeliveryScope, renderBody, renderValue } from '../../src/render-template.ts'
import { storableText } from '../../src/storable-text.ts'
import { type RegistrationTools, resolveMcpEndpoint } from '../files/resolve-mcp-endpoint.ts'
import { classifyFailure } from '../mcp/classify-failure.ts'
import type { McpClients } from '../mcp/create-mcp-clients.ts'
import type { FoundToken, TokenFinder } from '../mcp/find-token.ts'
import { limitTime } from '../mcp/limit-time.ts'
import { fetchVerifiedFile } from '../mcp/verified-file.ts'
import type { ActionOutcome } from '../run-action.ts'

export type McpTools = { clients: McpClients; findToken: TokenFinder; files: RegistrationTools }

const keptBytesMax = 4096
const toolErrorLengthMax = 300

/**
 * Calls one tool on an MCP server. Everything together takes no longer than the action's timeout: fetching files, connecting,
 * asking for the tools, the call. A result that says `isError` is a failure that may pass.
 */
export async function runMcp(
  config: McpActionConfig,
  scope: DeliveryScope,
  { mcp }: { mcp?: McpTools | undefined },
  signal: AbortSignal,
): Promise<ActionOutcome> {
  if (mcp === undefined) throw new PermanentError('this worker calls no MCP servers')
  const time = limitTime(signal, config.timeout_ms)
  try {
    return await run(config, scope, mcp, time.signal)
  } catch (error) {
    throw time.signal.aborted ? time.signal.reason : error
  } finally {
    time.end()
  }
}

async function run(
  config: McpActionConfig,
  scope: DeliveryScope,
  { clients, findToken, files }: McpTools,
  signal: AbortSignal,
): Promise<ActionOutcome> {
  const agentId = config.agent_id ?? scope.event.agent_id
  const place = agentId === null ? undefined : { chainId: scope.event.chain_id, agentId }
  const [endpoint, file] = await Promise.all([
    config.endpoint ?? resolveEndpoint(scope, agentId, files, signal),
    config.verify_file_hash
      ? fetchVerifiedFile(scope.event, files, { signal, timeoutMs: config.timeout_ms })
      : undefined,
  ])
  const access: FoundToken =
    place === undefined
      ? { token: undefined, reason: 'the event is about no agent, so no token was looked for' }
      : await findToken({ triggerId: scope.trigger.id, place, endpoint, isResolved: config.resolve_endpoint })
  const { token } = access
  // Servers like to repeat what they were sent.
  const clean = (text: string) => storableText(token === undefined ? text : text.replaceAll(token, '***'))

  const call = {
    endpoint,
    token,
    toolName: config.tool_name,
    arguments: argumentsOf(config, file === undefined ? scope : { ...scope, file }),
    // The same for every attempt, so that a server can drop a repeat.
    meta: metaOf(scope),
  }
  const about = {
    // Queries are where some servers have their keys.
    endpoint: endpoint.split(/[?#]/, 1)[0],
    tool: config.tool_name,
    ...(file === undefined ? {} : { file: { uri: file.uri.slice(0, 500), verdict: file.verdict } }),
  }
  try {
    const { transport, protocolVersion, isError, result } = await clients.callTool(call, signal)
    const text = clean(JSON.stringify(result))
    const response = {
      ...about,
      transport,
      protocol_version: protocolVersion,
      result: firstBytes(text),
      result_truncated: Buffer.byteLength(text) > keptBytesMax,
    }
    if (!isError) return { response, error: undefined }
    const said = clean(textOf(result)).slice(0, toolErrorLengthMax)
    return {
      response,
      error: new RetryableError(`the tool ${config.tool_name} reports an error: ${said}`),
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason
    const { error: failure, response } = classifyFailure(error, {
      access: describeAccess(access, place),
      clean,
    })
    return { response: Object.keys(response).length === 0 ? {} : { ...about, ...response }, error: failure }
  }
}

function metaOf({ delivery, test }: DeliveryScope): Record<string, unknown> {
  return {
    'tocsin/delivery-id': delivery.id,
    ...(test ? { 'tocsin/test': true } : {}),
    ...(delivery.original_id === null
      ? {}
      : { 'tocsin/kind': delivery.kind, 'tocsin/original-delivery-id': delivery.original_id }),
  }
}

async function resolveEndpoint(
  { event }: DeliveryScope,
  agentId: string | null,
  files: RegistrationTools,
  signal: AbortSignal,
): Promise<string> {
  if (agentId === null) throw new PermanentError('resolve_endpoint: the event is about no agent')
  const registryAddress =
    event.registry === 'identity'
      ? event.contract_address
      : knownChains.find(({ id }) => id === event.chain_id)?.registries.identity
  if (registryAddress === undefined) {
    throw new PermanentError(`resolve_endpoint: no identity registry is known on chain ${event.chain_id}`)
  }
  const agent = { chainId: event.chain_id, agentId, registryAddress }
  return (await resolveMcpEndpoint(agent, files, { signal })).endpoint
}

/** What the template makes or, without one, what a webhook is sent by default, with the file. */
function argumentsOf(config: McpActionConfig, scope: DeliveryScope): Record<string, unknown> {
  if (config.arguments_template === undefined) {
    const payload = JSON.parse(renderBody(undefined, scope)) as Record<string, unknown>
    return scope.file === undefined ? payload : { ...payload, file: scope.file }
  }
  const value = renderValue(config.arguments_template, scope, 'arguments_template')
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw new PermanentError('arguments_template: expected it to make an object')
}

function describeAccess(access: FoundToken, place: { chainId: number; agentId: string } | undefined): string {
  if (place === undefined) return access.token === undefined ? access.reason : ''
  const { chainId, agentId } = place
  const route = `PUT /v1/mcp-tokens/${chainId}/${agentId}`
  return access.token === undefined
    ? `${access.reason}. Store one with ${route}`
    : `it does not take the token for agent ${agentId} on chain ${chainId}. Store another one with ${route}`
}

function firstBytes(text: string): string {
  const bytes = Buffer.from(text)
  // A character that is cut in two becomes U+FFFD.
  return storableText(bytes.length > keptBytesMax ? bytes.subarray(0, keptBytesMax).toString() : text)
}

/** The text parts of a result. */
function textOf(result: unknown): string {
  const { content } = result as { content?: unknown }
  if (!Array.isArray(content)) return JSON.stringify(result)
  const texts = content.flatMap((part: { text?: unknown } | null) =>
    typeof part?.text === 'string' ? [part.text] : [],
  )
  return texts.length === 0 ? 'it gives no text' : texts.join(' ')
}
