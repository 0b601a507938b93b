import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CallToolRequestSchema,
  InitializeRequestSchema,
  type JSONRPCMessage,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'

type ToolCall = {
  name: string
  arguments: Record<string, unknown>
  meta: Record<string, unknown>
  /** Ends the stream in which the answer was to come; the client may ask for it in another one. Only with `resumable`. */
  hangUp: () => void
}
type ToolResult = {
  content: { type: 'text'; text: string }[]
  isError?: boolean
}
type TestTool = {
  inputSchema: unknown
  run?: (call: ToolCall) => ToolResult | Promise<ToolResult>
}

/** One HTTP request, with the JSON-RPC message in it. */
type Seen = {
  method: string
  path: string
  headers: Record<string, string | undefined>
  message: { id?: number; method?: string; params?: Record<string, unknown> } | undefined
}

export type McpServerOptions = {
  /** Streamable HTTP with or without sessions, or the older transport. */
  mode?: 'sessions' | 'stateless' | 'sse'
  /** Requests without it get a 401. */
  token?: string
  /** Answers Streamable HTTP with JSON instead of an event stream. */
  json?: boolean
  /** Its streams can be taken up again after they broke off. */
  resumable?: boolean
  /** Answers `initialize` with this revision, whatever was asked for. */
  protocolVersion?: string
  tools?: Record<string, TestTool>
  toolsPerPage?: number
  /** Sees each request first; true: it has answered, or never will. */
  intercept?: (seen: Seen, response: ServerResponse) => boolean
}

export type TestMcpServer = Awaited<ReturnType<typeof startMcpServer>>

/** Takes anything, says `done`. */
export const plainTool: TestTool = { inputSchema: { type: 'object' } }

/** An MCP server made with the official SDK, which remembers what it was asked and can be told to misbehave. */
export async function startMcpServer(options: McpServerOptions = {}) {
  const { mode = 'sessions', token, json = false, protocolVersion, intercept, toolsPerPage = 100 } = options
  let tools = options.tools ?? { notify: plainTool }
  const calls: ToolCall[] = []
  const requests: Seen[] = []
  const sessions = new Map<string, StreamableHTTPServerTransport | SSEServerTransport>()
  const servers = new Set<Server>()
  let initialized = 0

  const createMcpServer = () => {
    const server = new Server(
      { name: 'test', version: '1' },
      { capabilities: { tools: { listChanged: true } } },
    )
    server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
      const start = Number(params?.cursor ?? 0)
      const names = Object.keys(tools)
      const end = start + toolsPerPage
      return {
        tools: names
          .slice(start, end)
          .map((name) => ({ name, inputSchema: tools[name]?.inputSchema as { type: 'object' } })),
        ...(end < names.length ? { nextCursor: String(end) } : {}),
      }
    })
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
      const call = {
        name: params.name,
        arguments: params.arguments ?? {},
        meta: params._meta ?? {},
        hangUp: () => extra.closeSSEStream?.(),
      }
      calls.push(call)
      const run = tools[params.name]?.run ?? (() => ({ content: [{ type: 'text' as const, text: 'done' }] }))
      return run(call)
    })
    if (protocolVersion !== undefined) {
      server.setRequestHandler(InitializeRequestSchema, () => ({
        protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'test', version: '1' },
      }))
    }
    servers.add(server)
    server.onclose = () => void servers.delete(server)
    return server
  }

  const answerStreamable = async (seen: Seen, request: IncomingMessage, response: ServerResponse) => {
    const sessionId = seen.headers['mcp-session-id']
    if (mode === 'sessions' && sessionId !== undefined) {
      const known = sessions.get(sessionId)
      if (!(known instanceof StreamableHTTPServerTransport)) return refuse(response, 404, 'Session not found')
      return known.handleRequest(request, response, seen.message)
    }
    if (seen.message?.method === 'initialize') initialized += 1
    const transport = new StreamableHTTPServerTransport({
      ...(mode === 'sessions'
        ? {
            sessionIdGenerator: () => randomUUID(),
            onsessioninitialized: (id: string) => void sessions.set(id, transport),
            onsessionclosed: (id: string) => void sessions.delete(id),
          }
        : {}),
      enableJsonResponse: json,
      ...(options.resumable === true ? { eventStore: createEventStore(), retryInterval: 50 } : {}),
    })
    await createMcpServer().connect(transport as Transport)
    return transport.handleRequest(request, response, seen.message)
  }

  const answerSse = async (seen: Seen, request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(seen.path, 'http://localhost')
    if (seen.method === 'GET' && url.pathname === '/mcp') {
      const transport = new SSEServerTransport('/messages', response)
      sessions.set(transport.sessionId, transport)
      response.on('close', () => sessions.delete(transport.sessionId))
      return createMcpServer().connect(transport)
    }
    if (seen.method === 'POST' && url.pathname === '/messages') {
      const known = sessions.get(url.searchParams.get('sessionId') ?? '')
      if (!(known instanceof SSEServerTransport)) return refuse(response, 404, 'Session not found')
      if (seen.message?.method === 'initialize') initialized += 1
      return known.handlePostMessage(request, response, seen.message)
    }
    return refuse(response, 405, 'Method not allowed')
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString('utf8')
    const { method = '', url = '', headers } = request
    const message = body === '' ? undefined : JSON.parse(body)
    const seen = { method, path: url, headers: headers as Record<string, string | undefined>, message }
    requests.push(seen)
    if (intercept?.(seen, response)) return
    if (token !== undefined && headers.authorization !== `Bearer ${token}`) {
      return refuse(response, 401, 'Who are you?')
    }
    await (mode === 'sse' ? answerSse : answerStreamable)(seen, request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    calls,
    requests,
    /** How often it was asked for something, by the JSON-RPC method. */
    asked: (method: string) => requests.filter(({ message }) => message?.method === method).length,
    /** How many sessions were begun, and how many it has. */
    sessionsBegun: () => initialized,
    sessionsOpen: () => sessions.size,
    /** Loses every session, as a restart does. */
    forgetSessions: () => sessions.clear(),
    breakConnections: () => server.closeAllConnections(),
    changeTools: async (next: Record<string, TestTool>, notify = false) => {
      tools = next
      if (notify) await Promise.all([...servers].map((one) => one.sendToolListChanged().catch(() => {})))
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function createEventStore() {
  const events: { id: string; stream: string; message: JSONRPCMessage }[] = []
  return {
    storeEvent: async (stream: string, message: JSONRPCMessage) => {
      const id = String(events.length)
      events.push({ id, stream, message })
      return id
    },
    getStreamIdForEventId: async (id: string) => events[Number(id)]?.stream,
    replayEventsAfter: async (
      last: string,
      { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
    ) => {
      const stream = events[Number(last)]?.stream ?? ''
      for (const event of events.slice(Number(last) + 1)) {
        if (event.stream === stream) await send(event.id, event.message)
      }
      return stream
    },
  }
}

/** Accepts connections, and says nothing. */
export async function startSilentServer() {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    // Or it would not see that the other side has hung up.
    socket.resume()
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    connections: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(text)
}
