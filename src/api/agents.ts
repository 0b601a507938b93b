import { createRoute, z } from '@hono/zod-openapi'
import { type Chain, knownChains } from '../chains.ts'
import { listAgents, readAgent } from '../store/agents-read.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, pageResponse, problemResponses, resourceResponse } from './describe.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'
import { invalid, notFound, ProblemError } from './problem.ts'

const agentIdMax = 2n ** 256n - 1n
const addressExpected = 'expected an address: 0x and 40 hex digits'
const blockExpected = 'expected the number of a block, once'

const query = listQuery(
  {
    owner: z
      .string({ error: `${addressExpected}, once` })
      .regex(/^0x[\da-fA-F]{40}$/, { error: addressExpected })
      .transform((value) => value.toLowerCase())
      .openapi({
        type: 'string',
        pattern: '^0x[\\da-fA-F]{40}$',
        description: 'The address that owns them now',
      }),
    chain_id: filter.chainId,
  },
  z.tuple([keyPart.number, z.string().regex(/^\d{1,78}$/)]),
)

const blockQuery = z.strictObject(
  {
    block: z
      .string({ error: blockExpected })
      .regex(/^\d{1,15}$/, { error: blockExpected })
      .transform(Number)
      .optional()
      .openapi({ type: 'integer', description: 'The agent as it was then; at the checkpoint, unless given' }),
  },
  { error: 'unknown; known are block' },
)

const placeParameters = z.object({
  chain: z.string().openapi({ description: 'The chain id', example: '8453' }),
  agent: z.string().openapi({ description: 'The agent id', example: '42' }),
})

const seen = z.object({ block_number: z.int(), block_time: z.iso.datetime() })
const agentSchema = z.object({
  chain_id: z.int(),
  agent_id: z.string(),
  block: z.int().openapi({ description: 'Everything below is as it was after this block' }),
  event_count: z.int(),
  owner: z.string().nullable(),
  uri: z.string().nullable(),
  wallet: z.string().nullable().openapi({ description: 'null: none is set, or not since it changed hands' }),
  metadata: z.array(
    z.object({
      key: z.string(),
      value: z.string().nullable().openapi({ description: 'Hex; null: longer than 1024 bytes' }),
      bytes: z.int(),
      block_number: z.int(),
    }),
  ),
  metadata_count: z.int().openapi({ description: 'How many there are; at most 100 are shown' }),
  feedback: z.object({ count: z.int(), revoked: z.int(), clients: z.int() }),
  tags: z
    .array(
      z.object({
        tag: z.string().nullable().openapi({ description: 'null: only its hash is on the chain' }),
        count: z.int().openapi({ description: 'Without those that are revoked' }),
        revoked: z.int(),
        clients: z.int(),
        average: z.string().nullable(),
        ema: z.string().nullable().openapi({ description: '0.2 * score + 0.8 * the EMA before' }),
      }),
    )
    .openapi({ description: 'Feedback by its first tag; those with the most first' }),
  tag_count: z.int().openapi({ description: 'How many there are; at most 100 are shown' }),
  responses: z.object({ count: z.int(), responders: z.int() }),
  validations: z.object({
    requests: z.int(),
    validators: z.int(),
    responses: z.int(),
    answered: z.int(),
    average_response: z
      .string()
      .nullable()
      .openapi({ description: 'Over the newest response to each request' }),
  }),
  first_seen: seen,
  last_seen: seen,
})

const ownedSchema = z.object({
  chain_id: z.int(),
  agent_id: z.string(),
  owner: z.string(),
  uri: z.string().nullable(),
})

export function addAgents(app: ApiApp, { db }: ApiContext): void {
  app.openAPIRegistry.register('Agent', agentSchema)
  app.openAPIRegistry.register('OwnedAgent', ownedSchema)

  app.openapi(
    createRoute({
      tags: ['agents'],
      security: needs('events:read'),
      method: 'get',
      path: '/v1/agents',
      summary: 'List the agents that an address owns now',
      request: { query },
      responses: { 200: pageResponse('OwnedAgent', 'A page, by chain and agent'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, owner, chain_id } = c.req.valid('query')
      const chains = knownChains.filter(({ id }) => chain_id === undefined || id === chain_id)
      return sendPage(c, await listAgents(db, chains, owner, { after: cursor, limit }))
    },
  )

  app.openapi(
    createRoute({
      tags: ['agents'],
      security: needs('events:read'),
      method: 'get',
      path: '/v1/agents/{chain}/{agent}',
      summary: 'Read what the canonical events say of an agent, at any block',
      request: { params: placeParameters, query: blockQuery },
      responses: { 200: resourceResponse('Agent', 'The agent'), ...problemResponses },
    }),
    async (c) => {
      const { chain: chainText, agent: agentText } = c.req.valid('param')
      const { block } = c.req.valid('query')
      const chain = findChain(chainText)
      if (chain === undefined) throw notFound('chain', chainText)
      if (!/^\d{1,78}$/.test(agentText) || BigInt(agentText) > agentIdMax) throw notFound('agent', agentText)

      const agentId = BigInt(agentText).toString()
      const { checkpoint, agent } = await readAgent(db, chain, agentId, block)
      if (checkpoint === undefined) throw new ProblemError(404, `Chain ${chain.id} has not been indexed yet.`)
      if (block !== undefined && block > checkpoint) {
        throw invalid('query', [
          { path: ['block'], message: `expected a block up to ${checkpoint}, the last that is complete` },
        ])
      }
      if (agent === undefined) throw notFound('agent', agentId)
      return c.json({ chain_id: chain.id, agent_id: agentId, ...agent }, 200)
    },
  )
}

function findChain(text: string): Chain | undefined {
  return knownChains.find(({ id }) => String(id) === text)
}
