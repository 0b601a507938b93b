import type { Queryable } from '../db.ts'
import type { SecretBox } from '../secret-box.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

/** What is known of a token. The token itself is never read back. */
export type McpTokenRow = {
  chain_id: number
  agent_id: string
  /** Where it may be sent: this URL or, of a URL without a path, its whole origin. */
  endpoint: string
  /** The key that it is encrypted with. */
  key_id: string
  created_at: Date
  updated_at: Date
}

/** The agent that a token is for. */
export type TokenPlace = { chainId: number; agentId: string }

const upsertToken = query<McpTokenRow & { is_new: boolean }>('manage/put-mcp-token')
const selectToken = query<McpTokenRow>('manage/read-mcp-token')
const selectTokens = query<McpTokenRow & { page_key: string[] }>('manage/list-mcp-tokens')
const removeToken = query<{ chain_id: number }>('manage/delete-mcp-token')
const selectSealed = query<{ user_id: string; endpoint: string; token: string }>('deliver/read-mcp-token')

/** Stores a token in place of the one before, encrypted so that it opens for this user, chain and agent only. */
export async function putMcpToken(
  db: Queryable,
  secrets: SecretBox,
  userId: string,
  place: TokenPlace,
  { token, endpoint }: { token: string; endpoint: string },
): Promise<{ stored: McpTokenRow; isNew: boolean }> {
  const sealed = secrets.seal(token, mcpTokenContext(userId, place))
  const [row] = await upsertToken(db, [userId, place.chainId, place.agentId, endpoint, sealed])
  if (row === undefined) throw new Error('The token was not stored')
  const { is_new: isNew, ...stored } = row
  return { stored, isNew }
}

export async function readMcpToken(
  db: Queryable,
  userId: string,
  place: TokenPlace,
): Promise<McpTokenRow | undefined> {
  const [row] = await selectToken(db, [userId, place.chainId, place.agentId])
  return row
}

/** A page of a user's tokens, by chain and agent. */
export async function listMcpTokens(
  db: Queryable,
  userId: string,
  filter: { chain_id?: number | undefined },
  { after, limit }: PageRequest,
): Promise<Page<McpTokenRow>> {
  const rows = await selectTokens(db, [userId, filter.chain_id, after?.[0], after?.[1], limit + 1])
  return toPage(rows, limit)
}

/** `false`: there was none. */
export async function deleteMcpToken(db: Queryable, userId: string, place: TokenPlace): Promise<boolean> {
  return (await removeToken(db, [userId, place.chainId, place.agentId])).length > 0
}

/**
 * The token that a trigger's owner has for an agent, decrypted, and where it may be sent.
 *
 * @throws Error when it cannot be decrypted.
 */
export async function openMcpToken(
  db: Queryable,
  secrets: SecretBox,
  triggerId: string,
  place: TokenPlace,
): Promise<{ token: string; endpoint: string } | undefined> {
  const [row] = await selectSealed(db, [triggerId, place.chainId, place.agentId])
  return (
    row && { token: secrets.open(row.token, mcpTokenContext(row.user_id, place)), endpoint: row.endpoint }
  )
}

/** What a token is encrypted for: moved to another user or agent, it does not open. */
export function mcpTokenContext(userId: string, { chainId, agentId }: TokenPlace): string {
  return `mcp-token:${userId}:${chainId}:${agentId}`
}
