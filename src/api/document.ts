import { createHash } from 'node:crypto'
import { z } from '@hono/zod-openapi'
import { reasonLengthMax } from './act.ts'
import type { ApiApp } from './app.ts'
import { problemKinds, problems } from './describe.ts'
import { isKnown } from './etag.ts'
import { operationName } from './operation-name.ts'

type Node = Record<string, unknown>
type Operation = {
  operationId?: string
  tags?: string[]
  security?: { bearer?: string[] }[]
  parameters?: { name: string; in: string; description?: string; schema?: Node }[]
  requestBody?: unknown
  responses: Record<string, unknown>
}

/** The parts of the API in the order in which they are read, and what one thing of each is called. */
const tags: Record<string, { one: string; description: string }> = {
  triggers: { one: 'trigger', description: 'What to watch for, and what to do then: docs/triggers.md' },
  events: { one: 'event', description: 'What the registries have said: docs/reading.md' },
  agents: { one: 'agent', description: 'What the events say of an agent: docs/reading.md' },
  matches: { one: 'match', description: 'Decisions that a trigger fires, with their evidence' },
  deliveries: { one: 'delivery', description: 'What is sent for a match, and how it went: docs/delivery.md' },
  results: { one: 'attempt', description: 'Every attempt at a delivery' },
  destinations: { one: 'destination', description: 'Where deliveries go, and how it is: docs/delivery.md' },
  telegram: { one: 'chat', description: 'Chats that receive messages: docs/telegram.md' },
  'mcp-tokens': { one: 'token', description: "Credentials for agents' MCP servers: docs/mcp.md" },
  stream: { one: 'stream', description: 'What happens, as it happens: docs/stream.md' },
  mcp: { one: 'message', description: 'The API as tools for agents: docs/mcp-server.md' },
  chains: { one: 'chain', description: 'How far each chain has been read' },
  accounts: { one: 'account', description: 'Signing in, and your own account: docs/accounts.md' },
  keys: { one: 'key', description: 'Credentials for programs: docs/accounts.md' },
  admin: { one: 'user', description: 'For who runs the installation' },
  problems: { one: 'problem', description: 'What the `type` of a problem leads to: docs/api.md' },
  health: { one: 'probe', description: 'For load balancers and supervisors' },
}

const problemSchema = z
  .object({
    type: z.string().openapi({
      description: 'The kind of problem, as a URI that stays the same: `/problems/…`, which says more of it',
    }),
    title: z.string(),
    status: z.int(),
    detail: z.string().openapi({ description: 'A sentence for people' }),
    errors: z
      .array(
        z.object({
          path: z.string().openapi({ description: 'Where, as in `conditions[2].value`' }),
          message: z.string(),
        }),
      )
      .openapi({ description: 'Each value that is wrong' }),
    request_id: z
      .string()
      .optional()
      .openapi({ description: 'As in `X-Request-Id`: the log of the server names the request by it' }),
  })
  .openapi({
    description: 'What went wrong (RFC 9457)',
    example: {
      type: '/problems/invalid-request',
      title: 'Bad Request',
      status: 400,
      detail: 'The trigger has a problem.',
      errors: [{ path: 'conditions[0].operator', message: 'expected one of <, <=, >, >=, =, !=' }],
      request_id: '8f14e45f-ceea-467f-a0e6-d7a1c5b6e9a2',
    },
  })

/** Serves the description of all routes that were added before, at /openapi.json. */
export function addDocument(app: ApiApp): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description:
      'An access token, an API key (`tcs_…`), or the token of the installation. The list of a route names the scopes that it needs.',
  })
  app.openAPIRegistry.register('Problem', problemSchema)
  for (const [name, description] of Object.values(problemKinds)) {
    app.openAPIRegistry.registerComponent('responses', name, {
      description,
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    })
  }
  let text: string | undefined
  let tag: string | undefined
  app.get('/openapi.json', (c) => {
    text ??= JSON.stringify(complete(build(app)))
    tag ??= `"${createHash('sha256').update(text).digest('base64url').slice(0, 32)}"`
    c.header('etag', tag)
    c.header('cache-control', 'no-cache')
    if (isKnown(c, tag)) return c.body(null, 304)
    return c.body(text, 200, { 'content-type': 'application/json' })
  })
}

function build(app: ApiApp) {
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Tocsin',
      version: '1',
      description:
        'Triggers on the events of ERC-8004 registries, and what they did. Lists come in pages: `next_cursor` is the `cursor` of the next one, and null at the end. Problems are `application/problem+json`. Times are UTC, in RFC 3339; numbers that can be larger than 2^53 are text.',
      license: { name: 'MIT', url: 'https://spdx.org/licenses/MIT.html' },
    },
    servers: [{ url: '/', description: 'Where this description is from' }],
  })
}

/** Adds what follows from the rest: names of operations, answers that every route like it can give, the tags in use. */
function complete(document: ReturnType<typeof build>) {
  const inUse = new Set<string>()
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(operations as Record<string, Operation>)) {
      const [tag = ''] = operation.tags ?? []
      inUse.add(tag)
      operation.operationId ??= operationName(method, path)
      if (method !== 'get' && path.startsWith('/v1/')) {
        operation.parameters = [...(operation.parameters ?? []), auditReason]
      }
      for (const parameter of operation.parameters ?? []) {
        // What a value means is said beside its type; readers of descriptions look at the parameter.
        const own = parameter.schema?.description
        parameter.description ??=
          typeof own === 'string' ? own : describeParameter(parameter, tags[tag]?.one ?? '')
      }
      operation.responses = withProblems(operation, method, path)
    }
  }
  close(document.components?.schemas)
  close(document.paths)
  const known = Object.entries(tags).filter(([name]) => inUse.has(name))
  return { ...document, tags: known.map(([name, { description }]) => ({ name, description })) }
}

/** What `act` reads before every change. */
const auditReason = {
  name: 'X-Audit-Reason',
  in: 'header',
  required: false,
  schema: { type: 'string', maxLength: reasonLengthMax },
  description: 'Why: the audit log keeps it beside what is changed',
}

/** Ids say nothing that their place does not; what else there is, a route describes itself. */
function describeParameter({ name, in: place }: { name: string; in: string }, one: string): string {
  if (place !== 'path') return ''
  return name === 'id' ? `The id of the ${one}` : `The ${name}`
}

function withProblems(
  { security, parameters, requestBody, responses }: Operation,
  method: string,
  path: string,
): Node {
  const isIn = (place: string) => parameters?.some((parameter) => parameter.in === place) === true
  const hasHeader = (wanted: string) => parameters?.some(({ name }) => name === wanted) === true
  const [needs] = security ?? []
  const statuses: (keyof typeof problemKinds)[] = [
    ...(isIn('query') || isIn('header') || requestBody !== undefined ? [400 as const] : []),
    ...(needs === undefined ? [] : [401 as const]),
    ...(needs?.bearer?.length ? [403 as const] : []),
    ...(isIn('path') ? [404 as const] : []),
    ...(hasHeader('If-Match') ? [412 as const] : []),
    ...(hasHeader('Idempotency-Key') ? ([409, 422] as const) : []),
    ...(method === 'get' ? [] : [413 as const]),
    ...(requestBody === undefined ? [] : [415 as const]),
    ...(path.startsWith('/v1/') ? ([429, 503] as const) : []),
  ]
  return { ...problems(...statuses), ...responses }
}

/** An object has the properties that are described and no others, so that an answer with one too many does not fit. */
function close(node: unknown): void {
  if (typeof node !== 'object' || node === null) return
  const schema = node as Node
  const types = [schema.type].flat()
  if (types.includes('object') && isObject(schema.properties)) schema.additionalProperties ??= false
  for (const [key, value] of Object.entries(schema)) {
    if (key !== 'example' && key !== 'examples' && key !== 'default' && key !== 'enum') close(value)
  }
}

function isObject(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
