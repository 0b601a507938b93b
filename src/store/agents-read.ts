import type { Chain } from '../chains.ts'
import type { Queryable } from '../db.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

/** Lists in a summary hold at most so many; their counts say how many there are. */
const listed = 100

/** Where and when something happened. */
type Seen = { block_number: number; block_time: string }

/** What the canonical events up to a block say of an agent. Decimals are exact text; what there is none of is `null`. */
export type AgentSummary = {
  block: number
  event_count: number
  owner: string | null
  uri: string | null
  wallet: string | null
  /** By key; `value` is hex, `null` when it is longer than 1024 bytes. */
  metadata: { key: string; value: string | null; bytes: number; block_number: number }[]
  metadata_count: number
  feedback: { count: number; revoked: number; clients: number }
  /** Those with the most feedback first. Revoked feedback is in `revoked` only. */
  tags: {
    tag: string | null
    count: number
    revoked: number
    clients: number
    average: string | null
    ema: string | null
  }[]
  tag_count: number
  responses: { count: number; responders: number }
  validations: {
    requests: number
    validators: number
    responses: number
    answered: number
    average_response: string | null
  }
  first_seen: Seen
  last_seen: Seen
}

export type OwnedAgent = { chain_id: number; agent_id: string; owner: string; uri: string | null }

type AgentRow = Omit<AgentSummary, 'first_seen' | 'last_seen'> & {
  last_block_number: number
  first_seen: Seen | null
  last_seen: Seen | null
}

const selectAgent = query<AgentRow>('manage/read-agent', { prepare: false })
const selectAgents = query<OwnedAgent & { page_key: string[] }>('manage/list-agents', { prepare: false })

/**
 * An agent as it was at a block; at the checkpoint, unless one is given.
 *
 * @returns `checkpoint`: the last complete block, `undefined` when there is none yet. `agent`: `undefined` when no event is of it.
 */
export async function readAgent(
  db: Queryable,
  chain: Pick<Chain, 'id' | 'registries'>,
  agentId: string,
  block: number | undefined,
): Promise<{ checkpoint: number | undefined; agent: AgentSummary | undefined }> {
  const addresses = Object.values(chain.registries).map((address) => address.toLowerCase())
  const [row] = await selectAgent(db, [chain.id, agentId, block, addresses, listed])
  if (row === undefined) return { checkpoint: undefined, agent: undefined }
  const { last_block_number: checkpoint, first_seen, last_seen, ...rest } = row
  if (first_seen === null || last_seen === null) return { checkpoint, agent: undefined }
  return { checkpoint, agent: { ...rest, first_seen: toSeen(first_seen), last_seen: toSeen(last_seen) } }
}

/** A page of the agents that an address owns now. */
export async function listAgents(
  db: Queryable,
  chains: readonly Pick<Chain, 'id' | 'registries'>[],
  owner: string,
  { after, limit }: PageRequest,
): Promise<Page<OwnedAgent>> {
  const rows = await selectAgents(db, [
    owner,
    chains.map(({ id }) => String(id)),
    [...new Set(chains.map(({ registries }) => registries.identity.toLowerCase()))],
    after?.[0],
    after?.[1],
    limit + 1,
  ])
  return toPage(rows, limit)
}

/** JSON of Postgres writes a time with its offset. */
function toSeen({ block_number, block_time }: Seen): Seen {
  return { block_number, block_time: new Date(block_time).toISOString() }
}
