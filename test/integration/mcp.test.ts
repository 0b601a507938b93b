import { keccak256, toBytes } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { mcpConfigSchema } from '../../src/actions/mcp.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { buildDeliveryScope } from '../../src/delivery-scope.ts'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import { createSecretBox } from '../../src/secret-box.ts'
import { deleteMcpToken, putMcpToken } from '../../src/store/mcp-tokens.ts'
import { type McpTools, runMcp } from '../../worker/actions/mcp.ts'
import { createRegistrationCache } from '../../worker/files/resolve-mcp-endpoint.ts'
import { createHttpClient, type HttpClient } from '../../worker/http.ts'
import { createMcpClients, type McpClientsOptions } from '../../worker/mcp/create-mcp-clients.ts'
import { createTokenFinder } from '../../worker/mcp/find-token.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents } from '../support/insert-events.ts'
import {
  type McpServerOptions,
  plainTool,
  startMcpServer,
  startSilentServer,
  type TestMcpServer,
} from '../support/mcp-servers.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const chainId = 31337
const secrets = createSecretBox([{ id: 'k1', key: Buffer.alloc(32, 7) }])
const never = new AbortController().signal
const number = { type: 'object', properties: { score: { type: 'number' } }, required: ['score'] }

let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database
let http: HttpClient
let triggerId: string
let tools: McpTools
let deliveries = 0
const toClose: { close: () => Promise<void> }[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  http = createHttpClient({ allow: parseCidrs('127.0.0.1'), deny: [] })
  await db`insert into users (id, username) values ('ann', 'ann'), ('bob', 'bob')`
  const [row] =
    await db`insert into triggers (user_id, name, chain_id, registry) values ('ann', 'Low', ${chainId}, 'reputation') returning id`
  triggerId = String(row?.id)
})
afterAll(async () => {
  await http?.close()
  await db?.end()
  await database?.drop()
})
beforeEach(() => {
  tools = createTools()
})
afterEach(async () => {
  await tools.clients.close()
  for (const one of toClose.splice(0)) await one.close()
})

const createTools = (options: McpClientsOptions = {}): McpTools => ({
  clients: createMcpClients(http, options),
  findToken: createTokenFinder(db, secrets),
  files: { db, http, gateways: [], registrations: createRegistrationCache() },
})

const start = async (options: McpServerOptions = {}): Promise<TestMcpServer> => {
  const server = await startMcpServer(options)
  toClose.push(server)
  return server
}

const scopeOf = (event: RegistryEvent) =>
  buildDeliveryScope({
    event,
    trigger: { id: triggerId, name: 'Low', version: 1 },
    evidence: [],
    delivery: { id: `delivery-${++deliveries}`, attempt: 1, kind: 'match' },
  })

const call = (
  config: Record<string, unknown>,
  event: RegistryEvent = sampleEvent('NewFeedback', { agent_id: '7' }),
  signal: AbortSignal = never,
) =>
  runMcp(
    mcpConfigSchema.parse({ tool_name: 'notify', arguments_template: {}, ...config }),
    scopeOf(event),
    { mcp: tools },
    signal,
  )

/** What the attempt ended in, thrown or returned. */
const failureOf = async (attempt: Promise<{ error: Error | undefined }>): Promise<Error> => {
  const error = await attempt.then(
    (outcome) => outcome.error,
    (thrown) => thrown,
  )
  if (!(error instanceof Error)) throw new Error('it succeeded')
  return error
}

describe('transports', () => {
  it.each([
    ['sessions', false, 'streamable_http', '2025-11-25'],
    ['sessions', true, 'streamable_http', '2025-11-25'],
    ['stateless', false, 'streamable_http', '2025-11-25'],
    ['stateless', true, 'streamable_http', '2025-11-25'],
    ['sse', false, 'sse', '2025-11-25'],
  ] as const)(
    'calls a tool on a server with %s (JSON answers: %s)',
    async (mode, json, transport, version) => {
      const server = await start({ mode, json })
      const { error, response } = await call({
        endpoint: server.url,
        arguments_template: {
          text: 'agent {{ event.agent_id }}',
          score: { $value: 'event.agent_id | to_number' },
        },
      })
      expect(error).toBeUndefined()
      expect(response).toMatchObject({
        transport,
        protocol_version: version,
        tool: 'notify',
        result_truncated: false,
      })
      expect(JSON.parse(String(response.result))).toEqual({ content: [{ type: 'text', text: 'done' }] })
      expect(server.calls).toMatchObject([
        {
          name: 'notify',
          arguments: { text: 'agent 7', score: 7 },
          meta: { 'tocsin/delivery-id': `delivery-${deliveries}` },
        },
      ])
    },
  )

  it.each(['2025-06-18', '2025-03-26', '2024-11-05'])(
    'speaks the older revision %s where the server asks for it',
    async (protocolVersion) => {
      const mode = protocolVersion === '2024-11-05' ? 'sse' : 'sessions'
      const server = await start({ mode, protocolVersion })
      const { error, response } = await call({ endpoint: server.url })
      expect(error).toBeUndefined()
      expect(response.protocol_version).toBe(protocolVersion)
      const called = server.requests.find(({ message }) => message?.method === 'tools/call')
      expect(called?.headers['mcp-protocol-version']).toBe(protocolVersion)
    },
  )

  it('remembers which transport an endpoint speaks', async () => {
    const server = await start({ mode: 'sse' })
    await call({ endpoint: server.url })
    await until('it listens no more', async () => {
      server.breakConnections()
      return server.sessionsOpen() === 0
    })
    const before = server.requests.length
    await until(
      'the session is given up',
      async () => (await call({ endpoint: server.url })).error === undefined,
    )
    const [first] = server.requests.slice(before)
    expect(first?.method).toBe('GET')
    expect(server.requests.filter(({ method, path }) => method === 'POST' && path === '/mcp')).toHaveLength(1)
  })

  it('says so when neither transport is spoken, for good', async () => {
    const server = await start({ intercept: (_, response) => Boolean(response.writeHead(404).end('no')) })
    const error = await failureOf(call({ endpoint: server.url }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toBe(
      'the server speaks neither transport of MCP: Streamable HTTP ends in HTTP 404: no; SSE in HTTP 404: no',
    )
  })

  it('follows no redirect, not even within the same server', async () => {
    const server = await start({
      intercept: ({ path }, response) =>
        path === '/mcp' && Boolean(response.writeHead(307, { location: '/other' }).end()),
    })
    const error = await failureOf(call({ endpoint: server.url }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain('redirects are not followed')
    expect(server.requests.map(({ path }) => path)).toEqual(['/mcp'])
  })

  it('does not call what OUTBOUND_ALLOW does not allow', async () => {
    const server = await start()
    const strict = createHttpClient({ allow: [], deny: [] })
    toClose.push(strict)
    const clients = createMcpClients(strict)
    toClose.push(clients)
    tools = { ...tools, clients }
    expect(await failureOf(call({ endpoint: server.url }))).toBeInstanceOf(PermanentError)
    expect(server.requests).toEqual([])
  })

  it('says so when what answers there is a web page', async () => {
    const server = await start({
      intercept: (_, response) =>
        Boolean(response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Hello</h1>')),
    })
    const error = await failureOf(call({ endpoint: server.url }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toBe('what answers there is no MCP server')
  })
})

describe('sessions', () => {
  it.each(['sessions', 'sse'] as const)('50 calls at once share one session (%s)', async (mode) => {
    const server = await start({ mode })
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => call({ endpoint: server.url })))
    expect(outcomes.map(({ error }) => error).filter(Boolean)).toEqual([])
    await call({ endpoint: server.url })
    expect(server.calls).toHaveLength(51)
    expect(server.sessionsBegun()).toBe(1)
    expect(server.asked('tools/list')).toBe(1)
  })

  it('a forgotten session is replaced once, and each call still happens exactly once', async () => {
    const server = await start()
    await call({ endpoint: server.url })
    server.forgetSessions()
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => call({ endpoint: server.url })))
    expect(outcomes.map(({ error }) => error).filter(Boolean)).toEqual([])
    expect(server.calls).toHaveLength(11)
    expect(server.sessionsBegun()).toBe(2)
  })

  it('a server that forgets every session at once is not asked for ever', async () => {
    const server = await start({
      intercept: ({ message }, response) =>
        message?.method === 'tools/call' && Boolean(response.writeHead(404).end('Session not found')),
    })
    await failureOf(call({ endpoint: server.url }))
    const error = await failureOf(call({ endpoint: server.url }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(server.sessionsBegun()).toBeLessThanOrEqual(3)
  })

  it('a broken SSE connection ends the calls in it at once, and the next call opens a new one', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const server = await start({
      mode: 'sse',
      tools: { notify: { inputSchema: { type: 'object' }, run: () => held.then(() => ({ content: [] })) } },
    })
    const waiting = failureOf(call({ endpoint: server.url }))
    await until('the call has come', () => server.calls.length === 1)
    server.breakConnections()
    expect(await waiting).toBeInstanceOf(RetryableError)
    release()
    expect((await call({ endpoint: server.url })).error).toBeUndefined()
    expect(server.sessionsBegun()).toBe(2)
  })

  it('other tokens have other sessions', async () => {
    const server = await start()
    const one = { endpoint: server.url, toolName: 'notify', arguments: {}, meta: {} }
    await tools.clients.callTool({ ...one, token: 'a' }, never)
    await tools.clients.callTool({ ...one, token: 'b' }, never)
    await tools.clients.callTool({ ...one, token: 'a' }, never)
    expect(server.sessionsBegun()).toBe(2)
  })

  it('ends idle sessions, and those used longest ago when there are too many', async () => {
    tools = createTools({ idleMs: 300, sessionsMax: 2 })
    const servers = await Promise.all([start(), start(), start()])
    for (const { url } of servers) await call({ endpoint: url })
    await until('the first one is ended', () => servers[0]?.sessionsOpen() === 0)
    expect(servers.map((server) => server.sessionsOpen()).slice(2)).toEqual([1])
    await until('all are ended', () => servers.every((server) => server.sessionsOpen() === 0))
  })

  it('ends every session on the way down', async () => {
    const servers = [await start(), await start({ mode: 'sse' })]
    for (const { url } of servers) await call({ endpoint: url })
    await tools.clients.close()
    await until('none is left', () => servers.every((server) => server.sessionsOpen() === 0))
  })
})

describe('tools and their schemas', () => {
  it('a missing tool is a failure for good that lists those there are, also on later pages', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `tool-${index}`)
    const server = await start({
      tools: Object.fromEntries(names.map((name) => [name, plainTool])),
      toolsPerPage: 8,
    })
    const error = await failureOf(call({ endpoint: server.url }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toBe(
      `the server has no tool notify. It has ${names.slice(0, 20).join(', ')} and 10 more`,
    )
    expect((await call({ endpoint: server.url, tool_name: 'tool-29' })).error).toBeUndefined()
  })

  it('arguments that do not fit are never sent, and the path and what is expected are named', async () => {
    const server = await start({ tools: { notify: { inputSchema: number } } })
    const error = await failureOf(
      call({ endpoint: server.url, arguments_template: { score: '{{ event.score }}' } }),
    )
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toBe(
      'the arguments do not fit the input schema of the tool notify: arguments.score must be number',
    )
    expect(server.calls).toEqual([])
  })

  it.each(['http://json-schema.org/draft-07/schema#', 'https://json-schema.org/draft/2020-12/schema'])(
    'checks schemas of %s',
    async ($schema) => {
      const server = await start({ tools: { notify: { inputSchema: { $schema, ...number } } } })
      const right = { score: { $value: '70' } }
      expect((await call({ endpoint: server.url, arguments_template: right })).error).toBeUndefined()
      expect(await failureOf(call({ endpoint: server.url }))).toBeInstanceOf(PermanentError)
    },
  )

  it('without a template it sends what a webhook is sent', async () => {
    const server = await start()
    await call({ endpoint: server.url, arguments_template: undefined })
    expect(server.calls).toMatchObject([
      { arguments: { type: 'trigger.matched', version: 1, event: { agent_id: '7' } } },
    ])
  })

  it('a tool whose schema has changed is asked for again before the arguments are called wrong', async () => {
    const server = await start({ tools: { notify: { inputSchema: number } } })
    await failureOf(call({ endpoint: server.url }))
    await call({ endpoint: server.url, arguments_template: { score: { $value: '1' } } })
    await server.changeTools({ notify: plainTool })
    expect((await call({ endpoint: server.url })).error).toBeUndefined()
  })

  it('asks for the tools again when the server says that they changed', async () => {
    const server = await start()
    await call({ endpoint: server.url })
    await until('it listens', () => server.requests.some(({ method }) => method === 'GET'))
    await until('the change is heard', async () => {
      await server.changeTools({ notify: { inputSchema: number } }, true)
      return call({ endpoint: server.url }).then(
        ({ error }) => error !== undefined,
        () => true,
      )
    })
  })

  it('a server that lies about its schema fails the call with what it says', async () => {
    const server = await start({
      tools: {
        notify: {
          inputSchema: { type: 'object', properties: { x: {} }, required: ['x'] },
          run: () => {
            throw Object.assign(new Error('y is missing'), { code: -32602 })
          },
        },
      },
    })
    const attempt = call({ endpoint: server.url, arguments_template: { x: '1' } })
    const error = await failureOf(attempt)
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toBe('the server answered with the JSON-RPC error -32602: y is missing')
  })

  const nested = Array.from({ length: 60 }, (_, index) => [
    `d${index}`,
    { allOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
  ])
  it.each([
    [
      'that is not valid',
      { type: 'object', properties: { x: { type: 'strng' } } },
      'schema.properties.x.type',
    ],
    [
      'with a remote reference',
      { type: 'object', properties: { x: { $ref: 'https://evil.example/x' } } },
      'evil.example',
    ],
    ['that is huge', { type: 'object', description: 'x'.repeat(200_000) }, 'more than 131072'],
    [
      'that multiplies',
      { type: 'object', $defs: Object.fromEntries([...nested, ['d60', {}]]), $ref: '#/$defs/d0' },
      'takes longer than 500 ms',
    ],
    [
      'with an evil pattern',
      { type: 'object', properties: { x: { pattern: '^(a+)+$' } } },
      'takes longer than 500 ms',
    ],
    ['that is a circle', { type: 'object', allOf: [{ $ref: '#' }] }, 'call stack'],
    ['that is asynchronous', { type: 'object', $async: true }, 'asynchronous'],
  ] as const)(
    'a schema %s fails the call for good, and the next call of another tool works',
    async (_, inputSchema, message) => {
      tools = createTools({ checkTimeMs: 500 })
      const server = await start({ tools: { notify: { inputSchema }, good: { inputSchema: number } } })
      const evil = { endpoint: server.url, arguments_template: { x: `${'a'.repeat(40)}!` } }
      const good = { endpoint: server.url, tool_name: 'good', arguments_template: { score: { $value: '1' } } }
      const [error, other] = await Promise.all([failureOf(call(evil)), call(good)])
      expect(error).toBeInstanceOf(PermanentError)
      expect(error.message).toContain('the input schema of the tool notify cannot be used')
      expect(error.message).toContain(message)
      expect(other.error).toBeUndefined()
      expect(server.calls.map(({ name }) => name)).toEqual(['good'])
    },
  )
})

describe('failures', () => {
  it('a result with isError may pass; its text is told and its start is kept', async () => {
    const text = `no such agent ${'x'.repeat(10_000)}`
    const server = await start({
      tools: { notify: { ...plainTool, run: () => ({ isError: true, content: [{ type: 'text', text }] }) } },
    })
    const { error, response } = await call({ endpoint: server.url })
    expect(error).toBeInstanceOf(RetryableError)
    expect(error?.message).toMatch(/^the tool notify reports an error: no such agent x+$/)
    expect(error?.message.length).toBeLessThan(400)
    expect(response.result_truncated).toBe(true)
    expect(String(response.result)).toHaveLength(4096)
  })

  it.each([
    [-32603, RetryableError],
    [-32050, RetryableError],
    [-32601, PermanentError],
    [-32602, PermanentError],
  ])('a JSON-RPC error %d is told apart', async (code, kind) => {
    const run = () => {
      throw Object.assign(new Error('sorry'), { code })
    }
    const server = await start({ tools: { notify: { ...plainTool, run } } })
    const { error, response } = await call({ endpoint: server.url })
    expect(error).toBeInstanceOf(kind)
    expect(error?.message).toBe(`the server answered with the JSON-RPC error ${code}: sorry`)
    expect(response).toMatchObject({ error: { code, message: 'sorry' } })
  })

  it.each([
    [500, RetryableError],
    [503, RetryableError],
    [429, RetryableError],
    [418, PermanentError],
  ])('HTTP %d is told apart', async (status, kind) => {
    const server = await start({
      intercept: ({ message }, response) =>
        message?.method === 'tools/call' &&
        Boolean(response.writeHead(status, { 'retry-after': '7' }).end('sorry')),
    })
    const { error, response } = await call({ endpoint: server.url })
    expect(error).toBeInstanceOf(kind)
    expect(error?.message).toBe(`the server answered with HTTP ${status}: sorry`)
    expect(response).toMatchObject({ status, body: 'sorry' })
    if (error instanceof RetryableError) expect(error.retryAfterMs).toBe(7000)
  })

  it.each([
    ['sessions', false],
    ['sessions', true],
    ['sse', false],
  ] as const)('an answer of 10 MB ends the call clearly (%s, JSON: %s)', async (mode, json) => {
    const text = 'x'.repeat(10_000_000)
    const server = await start({
      mode,
      json,
      tools: {
        notify: { ...plainTool, run: () => ({ content: [{ type: 'text', text }] }) },
        good: plainTool,
      },
    })
    const error = await failureOf(call({ endpoint: server.url }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toMatch(/larger than 2097152 bytes/)
    expect((await call({ endpoint: server.url, tool_name: 'good' })).error).toBeUndefined()
  })

  it('a list of tools of 10 MB ends the call clearly', async () => {
    const server = await start({
      tools: { notify: { inputSchema: { type: 'object', description: 'x'.repeat(10_000_000) } } },
    })
    const error = await failureOf(call({ endpoint: server.url }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toMatch(/larger than 2097152 bytes/)
  })

  it('a stream that ends before the answer ends the call at once, and it may pass', async () => {
    const server = await start({
      intercept: ({ message }, response) => {
        if (message?.method !== 'tools/call') return false
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message"')
        if (message.params?.name === 'cut') setImmediate(() => response.destroy())
        else response.end()
        return true
      },
      tools: { notify: plainTool, cut: plainTool },
    })
    for (const tool_name of ['notify', 'cut']) {
      const before = performance.now()
      const error = await failureOf(call({ endpoint: server.url, tool_name, timeout_ms: 20_000 }))
      expect(error).toBeInstanceOf(RetryableError)
      expect(error.message).toBe('the connection ended before the answer')
      expect(performance.now() - before).toBeLessThan(5000)
    }
  })

  it('an answer is waited for in another stream where the server hangs up to give it there later', async () => {
    const server = await start({
      resumable: true,
      tools: {
        notify: {
          ...plainTool,
          run: async ({ hangUp }) => {
            hangUp()
            await until('it is asked for again', () =>
              server.requests.some(({ headers }) => headers['last-event-id'] !== undefined),
            )
            return { content: [{ type: 'text', text: 'later' }] }
          },
        },
      },
    })
    const { error, response } = await call({ endpoint: server.url })
    expect(error).toBeUndefined()
    expect(response.result).toContain('later')
    expect(server.calls).toHaveLength(1)
  })

  it('a silent server costs no more than the timeout, and nothing is left of the connection', async () => {
    const server = await startSilentServer()
    toClose.push(server)
    const before = performance.now()
    const error = await failureOf(call({ endpoint: server.url, timeout_ms: 1000 }))
    expect(error).toBeInstanceOf(RetryableError)
    expect(error.message).toBe('no answer within 1000 ms')
    expect(performance.now() - before).toBeLessThan(1800)
    await until('it is hung up', () => server.connections() === 0)
  })

  it.each(['initialize', 'notifications/initialized', 'tools/list', 'tools/call'])(
    'a server that hangs at %s costs no more than the timeout; the next call works',
    async (method) => {
      let hangs = true
      const server = await start({ intercept: ({ message }) => hangs && message?.method === method })
      const before = performance.now()
      const error = await failureOf(call({ endpoint: server.url, timeout_ms: 1000 }))
      expect(error).toBeInstanceOf(RetryableError)
      expect(error.message).toBe('no answer within 1000 ms')
      expect(performance.now() - before).toBeLessThan(1800)
      hangs = false
      expect((await call({ endpoint: server.url })).error).toBeUndefined()
    },
  )

  it('an SSE server that hangs costs no more than the timeout', async () => {
    const server = await start({
      mode: 'sse',
      intercept: ({ method }, response) => {
        if (method !== 'GET') return false
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
        return true
      },
    })
    const before = performance.now()
    const error = await failureOf(call({ endpoint: server.url, timeout_ms: 1000 }))
    expect(error).toBeInstanceOf(RetryableError)
    expect(performance.now() - before).toBeLessThan(1800)
  })

  it('one that gives up waiting does not take the connection from those who still wait', async () => {
    let answer = () => {}
    const server = await start({
      intercept: ({ message }, response) => {
        if (message?.method !== 'initialize' || server.asked('initialize') > 1) return false
        answer = () =>
          void response.writeHead(200, { 'content-type': 'application/json' }).end(
            JSON.stringify({
              jsonrpc: '2.0',
              id: message.id,
              result: {
                protocolVersion: '2025-11-25',
                capabilities: {},
                serverInfo: { name: 'x', version: '1' },
              },
            }),
          )
        return true
      },
      mode: 'stateless',
    })
    const hasty = failureOf(call({ endpoint: server.url, timeout_ms: 1000 }))
    const patient = call({ endpoint: server.url, timeout_ms: 20_000 })
    expect((await hasty).message).toBe('no answer within 1000 ms')
    answer()
    expect((await patient).error).toBeUndefined()
    expect(server.asked('initialize')).toBe(1)
  })

  it('an answered call is not cancelled afterwards, when its time is up', async () => {
    const server = await start()
    const one = { endpoint: server.url, token: undefined, toolName: 'notify', arguments: {}, meta: {} }
    const time = new AbortController()
    await tools.clients.callTool(one, time.signal)
    time.abort()
    await tools.clients.callTool(one, never)
    expect(server.asked('notifications/cancelled')).toBe(0)
  })

  it('a call is stopped when the worker ends', async () => {
    const server = await startSilentServer()
    toClose.push(server)
    const ending = new AbortController()
    const error = failureOf(call({ endpoint: server.url }, undefined, ending.signal))
    await until('it is connected', () => server.connections() > 0)
    ending.abort()
    expect((await error).message).toBe('stopped, because the worker ends')
  })
})

describe('tokens', () => {
  const token = 'a-token-that-nobody-else-may-see'
  const place = { chainId, agentId: '7' }
  const put = (endpoint: string, value = token, userId = 'ann') =>
    putMcpToken(db, secrets, userId, place, { token: value, endpoint })
  afterEach(async () => {
    await deleteMcpToken(db, 'ann', place)
    await deleteMcpToken(db, 'bob', place)
  })

  /** The agent's registration file names this endpoint from now on. */
  const register = async (endpoint: string, agentId = '7') => {
    const file = JSON.stringify({ type: 'x', name: 'agent', services: [{ name: 'MCP', endpoint }] })
    const block = ++deliveries
    await insertEvents(
      db,
      [
        sampleEvent('Registered', {
          id: `registered-${block}`,
          occurrence: `registered-${block}`,
          agent_id: agentId,
          block_number: block,
          contract_address: '0x5fbdb2315678afecb367f032d93f642f64180aa3',
          token_uri: `data:application/json;base64,${Buffer.from(file).toString('base64')}`,
        }),
      ],
      { chainId, lastBlock: block },
    )
  }

  it.each(['sessions', 'sse'] as const)('sends the token with every request (%s)', async (mode) => {
    const server = await start({ mode, token })
    await put(new URL(server.url).origin)
    expect((await call({ endpoint: server.url })).error).toBeUndefined()
    expect(new Set(server.requests.map(({ headers }) => headers.authorization))).toEqual(
      new Set([`Bearer ${token}`]),
    )
  })

  it('a refused token and a missing one are failures for good, and say where to store one', async () => {
    const server = await start({ token })
    const missing = await failureOf(call({ endpoint: server.url }))
    expect(missing).toBeInstanceOf(PermanentError)
    expect(missing.message).toBe(
      'the server refused access (HTTP 401): there is no token for agent 7 on chain 31337. Store one with PUT /v1/mcp-tokens/31337/7',
    )
    tools = createTools()
    await put(server.url, 'another-one')
    const refused = await failureOf(call({ endpoint: server.url }))
    expect(refused).toBeInstanceOf(PermanentError)
    expect(refused.message).toBe(
      'the server refused access (HTTP 401): it does not take the token for agent 7 on chain 31337. Store another one with PUT /v1/mcp-tokens/31337/7',
    )
  })

  it('calls the server that the registration file names, with the token', async () => {
    const server = await start({ token })
    await register(server.url)
    await put(server.url)
    expect((await call({ resolve_endpoint: true })).error).toBeUndefined()
    expect(
      (await call({ resolve_endpoint: true, agent_id: 7 }, sampleEvent('NewFeedback', { agent_id: '8' })))
        .error,
    ).toBeUndefined()
  })

  it('an agent that lets its file name another server does not get the token; nothing is sent there', async () => {
    const [honest, thief] = [await start(), await start()]
    await register(honest.url)
    await put(honest.url)
    expect((await call({ resolve_endpoint: true })).error).toBeUndefined()
    await register(thief.url)
    const error = await failureOf(call({ resolve_endpoint: true }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain(`is for ${honest.url}, and its registration file now names ${thief.url}`)
    expect(thief.requests).toEqual([])
  })

  it('another path of the same host does not get a token that is for one path', async () => {
    const server = await start()
    await register(server.url)
    await put(server.url.replace('/mcp', '/neighbour'))
    expect(await failureOf(call({ resolve_endpoint: true }))).toBeInstanceOf(PermanentError)
    expect(server.requests).toEqual([])
  })

  it('an endpoint of the owner of the trigger gets no token that is for another server', async () => {
    const server = await start()
    await put('https://elsewhere.example')
    expect((await call({ endpoint: server.url })).error).toBeUndefined()
    expect(server.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true)
  })

  it('an SSE server that names another origin for its messages gets nothing sent there', async () => {
    const thief = await start()
    const server = await start({
      mode: 'sse',
      intercept: ({ method }, response) => {
        if (method !== 'GET') return false
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        return response.write(`event: endpoint\ndata: ${thief.url}\n\n`)
      },
    })
    await put(server.url)
    await failureOf(call({ endpoint: server.url, timeout_ms: 1000 }))
    expect(thief.requests).toEqual([])
  })

  it("one user's trigger does not use another one's token", async () => {
    const server = await start()
    await put(server.url, token, 'bob')
    await call({ endpoint: server.url })
    expect(server.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true)
  })

  it('a token that a server repeats is not kept', async () => {
    const echo = () => ({ isError: true, content: [{ type: 'text' as const, text: `bad token ${token}` }] })
    const server = await start({ tools: { notify: { ...plainTool, run: echo } } })
    await put(server.url)
    const { error, response } = await call({ endpoint: server.url })
    expect(error?.message).toContain('bad token ***')
    expect(JSON.stringify(response)).not.toContain(token)
  })

  it('is stored encrypted, for one user and agent only', async () => {
    await put('https://mcp.example')
    const [row] = await db`select token from agent_mcp_tokens`
    expect(row?.token).toMatch(/^sealed:k1:/)
    await db`update agent_mcp_tokens set user_id = 'bob'`
    await db`update triggers set user_id = 'bob'`
    try {
      const error = await failureOf(call({ endpoint: 'https://mcp.example' }))
      expect(error.message).toContain('cannot be decrypted')
    } finally {
      await db`update triggers set user_id = 'ann'`
    }
  })
})

describe('verify_file_hash', () => {
  const content = JSON.stringify({ agentId: 7, value: 12 })
  const data = (text: string) => `data:application/json;base64,${Buffer.from(text).toString('base64')}`
  const feedback = (fields: Partial<RegistryEvent>) =>
    sampleEvent('NewFeedback', { agent_id: '7', ...fields })

  it('passes the verified content on', async () => {
    const server = await start()
    const event = feedback({ file_uri: data(content), file_hash: keccak256(toBytes(content)) })
    const { error, response } = await call(
      {
        endpoint: server.url,
        verify_file_hash: true,
        arguments_template: { value: { $value: 'file.json.value' }, verdict: '{{ file.verdict }}' },
      },
      event,
    )
    expect(error).toBeUndefined()
    expect(response).toMatchObject({ file: { verdict: 'raw' } })
    await call({ endpoint: server.url, verify_file_hash: true, arguments_template: undefined }, event)
    expect(server.calls).toMatchObject([
      { arguments: { value: 12, verdict: 'raw' } },
      { arguments: { type: 'trigger.matched', file: { verdict: 'raw', json: { value: 12 } } } },
    ])
  })

  it('a file that is not what the chain says ends the call for good, before anything is sent', async () => {
    const server = await start()
    const event = feedback({ file_uri: data(content), file_hash: keccak256(toBytes('other')) })
    const error = await failureOf(call({ endpoint: server.url, verify_file_hash: true }, event))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain('is not the file that the event is about')
    expect(server.calls).toEqual([])
  })

  it('a web file without a hash proves nothing; an event without a file has nothing to verify', async () => {
    const server = await start({
      intercept: ({ path }, response) => path === '/file' && Boolean(response.writeHead(200).end(content)),
    })
    const uri = server.url.replace('/mcp', '/file')
    const config = { endpoint: server.url, verify_file_hash: true }
    const zero = feedback({ file_uri: uri, file_hash: `0x${'0'.repeat(64)}` })
    expect((await failureOf(call(config, zero))).message).toContain('the chain has no hash')
    const none = feedback({ file_uri: '', file_hash: null })
    expect((await failureOf(call(config, none))).message).toContain('the event names no file')
    const revoked = sampleEvent('FeedbackRevoked', { agent_id: '7' })
    expect((await failureOf(call(config, revoked))).message).toContain('has no file with a hash')
    expect(server.calls).toEqual([])
  })
})
