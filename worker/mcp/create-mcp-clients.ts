import { z } from 'zod'
import { PermanentError } from '../../src/errors.ts'
import { createArgumentsChecker } from './check-arguments.ts'
import { findTool, type Tool } from './find-tool.ts'
import { McpHttpError } from './mcp-errors.ts'
import { openSession, type Session, type TransportName } from './open-session.ts'
import type { McpHttp } from './session-fetch.ts'
import { shareWork } from './share-work.ts'

export type McpCall = {
  endpoint: string
  /** Sent as bearer token with every request. Whether it may go there is for the caller to know. */
  token: string | undefined
  toolName: string
  arguments: Readonly<Record<string, unknown>>
  meta: Readonly<Record<string, unknown>>
}

export type McpAnswer = {
  transport: TransportName
  protocolVersion: string
  isError: boolean
  /** As the server sent it. */
  result: unknown
}

export type McpClients = {
  /**
   * Calls a tool once: in the session that there is for endpoint and token, or in a new one.
   *
   * @throws PermanentError for a missing tool or wrong arguments, McpHttpError, McpError of the SDK, or whatever else went wrong.
   *   The signal's reason when it aborts.
   */
  callTool(call: McpCall, signal: AbortSignal): Promise<McpAnswer>
  /** Ends every session. */
  close(): Promise<void>
}

export type McpClientsOptions = {
  /** A session that nobody used for so long is ended. */
  idleMs?: number
  sessionsMax?: number
  /** So long a server's tools are believed, unless it says that they changed. */
  toolsForMs?: number
  checkTimeMs?: number
}

const idleMsDefault = 300_000
/** Each may hold a connection open. */
const sessionsMaxDefault = 200
const toolsForMsDefault = 300_000

/** How long it is remembered which transport an endpoint speaks, and of how many endpoints. */
const transportForMs = 3_600_000
const transportsMax = 1000

/** Tools that one session remembers: a trigger names one. */
const toolsMax = 100

const resultSchema = z.looseObject({ isError: z.boolean().optional().catch(undefined) })

type KnownTool = { find: (signal: AbortSignal) => Promise<Tool>; until: number }
type Entry = {
  session: (signal: AbortSignal) => Promise<Session>
  opened: Session | undefined
  tools: Map<string, KnownTool>
  inFlight: number
  idle: NodeJS.Timeout | undefined
}

/** The sessions of a worker with MCP servers, one for each endpoint and token. */
export function createMcpClients(http: McpHttp, options: McpClientsOptions = {}): McpClients {
  const {
    idleMs = idleMsDefault,
    sessionsMax = sessionsMaxDefault,
    toolsForMs = toolsForMsDefault,
    checkTimeMs,
  } = options
  const checker = createArgumentsChecker(checkTimeMs === undefined ? {} : { checkTimeMs })
  /** The one used last at the end. */
  const entries = new Map<string, Entry>()
  /** Also those that nobody takes up any more. */
  const live = new Set<Entry>()
  const transports = new Map<string, { name: TransportName; until: number }>()
  let closed = false

  const forget = (key: string, entry: Entry) => {
    if (entries.get(key) === entry) entries.delete(key)
  }

  /** Nobody takes it up any more; it is closed when the calls that it has are through. */
  const retire = async (key: string, entry: Entry) => {
    forget(key, entry)
    clearTimeout(entry.idle)
    if (entry.inFlight > 0) return
    live.delete(entry)
    await entry.opened?.close().catch(() => {})
  }

  const takeEntry = (key: string, { endpoint, token }: McpCall): Entry => {
    const known = entries.get(key)
    if (known !== undefined && known.opened?.broken() === undefined) {
      entries.delete(key)
      entries.set(key, known)
      return known
    }
    if (known !== undefined) void retire(key, known)
    const entry: Entry = {
      session: shareWork(async (signal) => {
        const onToolsChanged = () => entry.tools.clear()
        const session = await openByEither({ endpoint, token, onToolsChanged }, signal)
        entry.opened = session
        // Opened for nobody: whoever waited has left in the same moment.
        if (entry.inFlight === 0 || closed) void session.close()
        return session
      }),
      opened: undefined,
      tools: new Map(),
      inFlight: 0,
      idle: undefined,
    }
    entries.set(key, entry)
    live.add(entry)
    for (const [otherKey, other] of entries) {
      if (entries.size <= sessionsMax) break
      if (other.inFlight === 0 && other !== entry) void retire(otherKey, other)
    }
    return entry
  }

  /** Streamable HTTP, or SSE where the server does not know it; what worked last time first. */
  const openByEither = async (
    session: { endpoint: string; token: string | undefined; onToolsChanged: () => void },
    signal: AbortSignal,
  ): Promise<Session> => {
    const known = transports.get(session.endpoint)
    const first = known !== undefined && known.until > performance.now() ? known.name : 'streamable_http'
    const second = first === 'sse' ? 'streamable_http' : 'sse'
    const open = async (transport: TransportName) => {
      const opened = await openSession(http, { ...session, transport }, signal)
      transports.delete(session.endpoint)
      transports.set(session.endpoint, { name: transport, until: performance.now() + transportForMs })
      const [oldest] = transports.keys()
      if (transports.size > transportsMax && oldest !== undefined) transports.delete(oldest)
      return opened
    }
    try {
      return await open(first)
    } catch (error) {
      if (!isOtherTransport(error)) throw error
      try {
        return await open(second)
      } catch (other) {
        if (!isOtherTransport(other)) throw other
        transports.delete(session.endpoint)
        const [streamable, sse] = first === 'sse' ? [other, error] : [error, other]
        throw new PermanentError(
          `the server speaks neither transport of MCP: Streamable HTTP ends in ${streamable.message}; SSE in ${sse.message}`,
        )
      }
    }
  }

  const toolOf = (entry: Entry, session: Session, name: string): KnownTool => {
    const known = entry.tools.get(name)
    if (known !== undefined && known.until > performance.now()) return known
    if (entry.tools.size >= toolsMax) entry.tools.clear()
    const tool = {
      find: shareWork((signal) => findTool(session, name, signal)),
      until: performance.now() + toolsForMs,
    }
    entry.tools.set(name, tool)
    return tool
  }

  /** Finds the tool and checks the arguments: with what is remembered, and if that says no with what the server says now. */
  const checkCall = async (entry: Entry, session: Session, call: McpCall, signal: AbortSignal) => {
    const remembered = entry.tools.has(call.toolName)
    const tool = toolOf(entry, session, call.toolName)
    try {
      await checkArguments(await tool.find(signal), call)
    } catch (error) {
      if (entry.tools.get(call.toolName) === tool) entry.tools.delete(call.toolName)
      if (!remembered || !(error instanceof PermanentError)) throw error
      await checkArguments(await toolOf(entry, session, call.toolName).find(signal), call)
    }
  }

  const checkArguments = async (tool: Tool, call: McpCall) => {
    if (tool.needsTask) {
      throw new PermanentError(`the tool ${tool.name} can only be run as a task, which is not supported`)
    }
    const verdict =
      tool.schemaProblem === undefined
        ? await checker.check(tool.schemaText, JSON.stringify(call.arguments))
        : { schemaProblem: tool.schemaProblem }
    if (verdict.schemaProblem !== undefined) {
      throw new PermanentError(
        `the input schema of the tool ${tool.name} cannot be used: ${verdict.schemaProblem}`,
      )
    }
    if (verdict.argumentsProblem !== undefined) {
      throw new PermanentError(
        `the arguments do not fit the input schema of the tool ${tool.name}: ${verdict.argumentsProblem}`,
      )
    }
  }

  const callOnce = async (key: string, entry: Entry, call: McpCall, signal: AbortSignal) => {
    entry.inFlight += 1
    clearTimeout(entry.idle)
    try {
      const session = await entry.session(signal)
      await checkCall(entry, session, call, signal)
      const params = { name: call.toolName, arguments: call.arguments, _meta: call.meta }
      const result = await session.request({ method: 'tools/call', params }, resultSchema, signal)
      const isError = result.isError === true
      // It may have failed because the tool is another one by now.
      if (isError) entry.tools.delete(call.toolName)
      return { transport: session.transport, protocolVersion: session.protocolVersion, isError, result }
    } catch (error) {
      entry.tools.delete(call.toolName)
      const isOver = entry.opened === undefined || entry.opened.broken() !== undefined
      // After a call that took too long, the next one had better not trust the connection.
      if (isOver || signal.aborted || isLost(error)) forget(key, entry)
      throw error
    } finally {
      entry.inFlight -= 1
      if (entry.inFlight === 0) {
        const isWanted = entries.get(key) === entry && entries.size <= sessionsMax
        if (isWanted) entry.idle = setTimeout(() => void retire(key, entry), idleMs).unref()
        else void retire(key, entry)
      }
    }
  }

  return {
    callTool: async (call, signal) => {
      if (closed) throw new Error('MCP servers are no longer called')
      const key = JSON.stringify([call.endpoint, call.token])
      const entry = takeEntry(key, call)
      const wasOpen = entry.opened !== undefined
      try {
        return await callOnce(key, entry, call, signal)
      } catch (error) {
        // The server has forgotten the session: it asks for a new one, and has done nothing yet.
        if (!wasOpen || !isLost(error) || signal.aborted) throw error
        return await callOnce(key, takeEntry(key, call), call, signal)
      }
    },
    close: async () => {
      closed = true
      for (const { idle } of live) clearTimeout(idle)
      await Promise.all([...live].map(({ opened }) => opened?.close().catch(() => {})))
      entries.clear()
      await checker.close()
    },
  }
}

/** 404 is what a server answers for a session that it does not know (any more); many say 400. */
function isLost(error: unknown): boolean {
  return error instanceof McpHttpError && (error.status === 404 || error.status === 400)
}

/** The answers by which MCP tells a server of the other transport. Refusals and pauses are none. */
function isOtherTransport(error: unknown): error is McpHttpError {
  return error instanceof McpHttpError && [400, 404, 405, 406, 410, 415, 422, 501].includes(error.status)
}
