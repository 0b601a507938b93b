import { createRoute } from '@hono/zod-openapi'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { Context } from 'hono'
import { createMcpServer } from '../mcp-server/create-server.ts'
import { type ApiDescription, type DescribedTool, describeTools } from '../mcp-server/describe-tools.ts'
import { tools } from '../mcp-server/tools.ts'
import type { ApiApp, ApiContext } from './app.ts'
import type { ApiEnv } from './caller.ts'
import { needs, problemResponses, problems } from './describe.ts'
import { readJsonBody } from './json-body.ts'
import { ProblemError } from './problem.ts'

/** What says who asks, from where, and under which id: a tool's request to its route comes from the same. */
const passedOn = ['authorization', 'x-forwarded-for', 'forwarded', 'user-agent']

/** How the protocol says no. */
const refusal = {
  'application/json': {
    schema: {
      type: 'object' as const,
      required: ['jsonrpc', 'error', 'id'],
      properties: {
        jsonrpc: { type: 'string' as const },
        error: {
          type: 'object' as const,
          required: ['code', 'message'],
          properties: { code: { type: 'integer' as const }, message: { type: 'string' as const }, data: {} },
        },
        id: { type: ['string', 'number', 'null'] as ('string' | 'number' | 'null')[] },
      },
    },
  },
}

/**
 * The MCP server with which agents manage their own triggers, over Streamable HTTP. Each tool asks its route of this app with the
 * caller's own credential: what they may do, what they see and what is wrong with it is decided there and nowhere else.
 */
export function addMcp(app: ApiApp, context: ApiContext): void {
  let described: DescribedTool[] | undefined
  app.openapi(
    createRoute({
      tags: ['mcp'],
      // Any credential: the routes of the tools say what they need.
      security: needs(),
      method: 'post',
      path: '/mcp',
      summary: 'The MCP server: send a JSON-RPC message (Streamable HTTP, without sessions)',
      request: {
        body: { required: true, content: { 'application/json': { schema: { type: 'object' } } } },
      },
      responses: {
        200: {
          description: 'The answer, as JSON or, where progress was asked for, as a stream',
          content: {
            'application/json': { schema: { type: 'object' } },
            'text/event-stream': { schema: { type: 'string' } },
          },
        },
        202: { description: 'A message that has no answer was taken' },
        400: {
          description: 'Something in the request is wrong; JSON-RPC where it is the message',
          content: {
            'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
            ...refusal,
          },
        },
        406: { description: 'The client does not accept both JSON and a stream', content: refusal },
        ...problems(403, 429, 503),
        ...problemResponses,
      },
    }),
    async (c) => {
      checkOrigin(c, context)
      described ??= describeTools(
        tools,
        (await (await app.request('/openapi.json')).json()) as ApiDescription,
      )
      const parsedBody = await readJsonBody(c)
      const server = createMcpServer({
        tools: described,
        scopes: c.get('caller').scopes,
        ask: async (path, request) =>
          app.request(path, { ...request, headers: { ...passOn(c), ...request.headers } }, c.env),
      })
      const transport = new WebStandardStreamableHTTPServerTransport({
        // Progress comes before the answer, and so needs a stream.
        enableJsonResponse: !asksForProgress(parsedBody),
      })
      // A client that goes away ends what it asked for.
      c.req.raw.signal.addEventListener('abort', () => void server.close(), { once: true })
      // Its properties may be undefined where the interface says that they may be missing.
      await server.connect(transport as Parameters<typeof server.connect>[0])
      return (await transport.handleRequest(c.req.raw, { parsedBody })) as never
    },
  )
}

/** A page that a browser was led to must not speak for its visitor, whatever name it gave this address (DNS rebinding). */
function checkOrigin(
  c: Context<ApiEnv>,
  { publicUrl, corsOrigins = [] }: Pick<ApiContext, 'publicUrl' | 'corsOrigins'>,
): void {
  const origin = c.req.header('origin')
  if (origin === undefined || corsOrigins.includes(origin)) return
  if (publicUrl !== undefined && origin === new URL(publicUrl).origin) return
  throw new ProblemError(
    403,
    'Pages of this origin may not use the MCP server. TOCSIN_PUBLIC_URL and TOCSIN_CORS_ORIGINS name those that may.',
  )
}

function passOn(c: Context<ApiEnv>): Record<string, string> {
  const given = passedOn.flatMap((name) => {
    const value = c.req.header(name)
    return value === undefined ? [] : [[name, value]]
  })
  return { ...Object.fromEntries(given), 'x-request-id': c.get('requestId') }
}

function asksForProgress(body: unknown): boolean {
  return [body].flat().some((message: unknown) => {
    const { params } = (message ?? {}) as { params?: { _meta?: { progressToken?: unknown } } | null }
    return params?._meta?.progressToken !== undefined
  })
}
