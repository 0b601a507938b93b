import { createRoute, z } from '@hono/zod-openapi'
import { serverUrl, strict, text } from '../document-schema.ts'
import { isPrivateWay } from '../mcp-token-endpoint.ts'
import {
  deleteMcpToken,
  listMcpTokens,
  putMcpToken,
  readMcpToken,
  type TokenPlace,
} from '../store/mcp-tokens.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, pageResponse, problemResponses, resourceResponse } from './describe.ts'
import { readJsonBody } from './json-body.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'
import { invalid, notFound, toProblems } from './problem.ts'

const agentIdMax = 2n ** 256n - 1n

const path = '/v1/mcp-tokens'
const onePath = '/v1/mcp-tokens/{chain}/{agent}'
const common = { tags: ['mcp-tokens'] }
const placeParameters = z.object({
  chain: z.string().openapi({ description: 'The chain id' }),
  agent: z.string().openapi({ description: 'The agent id' }),
})

const query = listQuery(
  { chain_id: filter.chainId },
  z.tuple([keyPart.number, z.string().regex(/^\d{1,78}$/)]),
)

const bodySchema = strict({
  // What RFC 6750 lets a bearer token have; nothing else can be sent in a header as it is.
  token: text(1, 8192).regex(/^[\w.~+/-]+=*$/, {
    error: 'expected a bearer token: letters, digits and -._~+/, then =',
  }),
  endpoint: serverUrl()
    .refine((url) => !URL.canParse(url) || isPrivateWay(url), {
      error: 'expected https://: a token is not sent where others can read it on the way',
    })
    .openapi({
      description: 'Where it may be sent: this URL or, of a URL without a path, any address of its origin',
    }),
})

const time = z.iso.datetime()
const tokenSchema = z.object({
  chain_id: z.int(),
  agent_id: z.string(),
  endpoint: z.string(),
  key_id: z.string().openapi({ description: 'The key that it is encrypted with' }),
  created_at: time,
  updated_at: time,
})

/** Bearer tokens for the MCP servers of agents. They are written and deleted; nobody can read them back. */
export function addMcpTokens(app: ApiApp, { secrets, chains }: ApiContext): void {
  app.openAPIRegistry.register('McpToken', tokenSchema)
  app.openAPIRegistry.register('NewMcpToken', bodySchema)

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:read'),
      method: 'get',
      path,
      summary: 'List the agents that there are MCP tokens for',
      request: { query },
      responses: { 200: pageResponse('McpToken', 'A page, by chain and agent'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      return sendPage(
        c,
        await listMcpTokens(c.get('db'), c.get('caller').userId, narrow, { after: cursor, limit }),
      )
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:write'),
      method: 'put',
      path: onePath,
      summary: "Store the token for an agent's MCP server, in place of the one before",
      request: {
        params: placeParameters,
        body: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/NewMcpToken' } } },
        },
      },
      responses: {
        200: resourceResponse('McpToken', 'It took the place of another'),
        201: resourceResponse('McpToken', 'It is the first'),
        ...problemResponses,
      },
    }),
    async (c) => {
      const place = placeOf(c.req.valid('param'))
      if (place === undefined || !chains.some(({ id }) => id === place.chainId)) {
        throw invalid('address', [
          {
            path: [],
            message: `expected ${path}/<chain id>/<agent id>, with a chain with known registries and a whole number`,
          },
        ])
      }
      const parsed = bodySchema.safeParse(await readJsonBody(c))
      if (!parsed.success) throw invalid('body', toProblems(parsed.error))
      const { stored, isNew } = await putMcpToken(
        c.get('db'),
        secrets,
        c.get('caller').userId,
        place,
        parsed.data,
      )
      return c.json(stored, isNew ? 201 : 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:read'),
      method: 'get',
      path: onePath,
      summary: 'Read what is known of a token',
      request: { params: placeParameters },
      responses: { 200: resourceResponse('McpToken', 'Without the token'), ...problemResponses },
    }),
    async (c) => {
      const given = c.req.valid('param')
      const place = placeOf(given)
      const token = place && (await readMcpToken(c.get('db'), c.get('caller').userId, place))
      if (token === undefined) throw notFound('MCP token', `${given.chain}/${given.agent}`)
      return c.json(token, 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:write'),
      method: 'delete',
      path: onePath,
      summary: 'Delete a token',
      request: { params: placeParameters },
      responses: { 204: { description: 'It is deleted' }, ...problemResponses },
    }),
    async (c) => {
      const given = c.req.valid('param')
      const place = placeOf(given)
      if (place === undefined || !(await deleteMcpToken(c.get('db'), c.get('caller').userId, place))) {
        throw notFound('MCP token', `${given.chain}/${given.agent}`)
      }
      return c.body(null, 204)
    },
  )
}

function placeOf({ chain, agent }: { chain: string; agent: string }): TokenPlace | undefined {
  if (!/^[1-9]\d{0,15}$/.test(chain) || !/^(0|[1-9]\d{0,77})$/.test(agent)) return undefined
  const chainId = Number(chain)
  if (!Number.isSafeInteger(chainId) || BigInt(agent) > agentIdMax) return undefined
  return { chainId, agentId: agent }
}
