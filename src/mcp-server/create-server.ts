import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  ErrorCode,
  ListResourcesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { type AskRoute, callTool, type Progress } from './call-tool.ts'
import type { DescribedTool } from './describe-tools.ts'
import { listDocs, readDoc } from './docs.ts'

const instructions = `Tocsin watches the ERC-8004 registries of AI agents (identity, reputation, validation) on many chains, and runs triggers on their events: webhooks, Telegram messages, calls of MCP tools.
To set an alarm: read tocsin://docs/triggers, try a document with backtest_trigger, store it with create_trigger, try its actions with test_trigger, look at list_deliveries and read_delivery.
To find out why something did or did not fire: explain_decision with the trigger and the event. Lists are read page by page: give next_cursor as cursor.`

/**
 * An MCP server for one request of one caller: nothing is remembered between requests, so that any process can answer any of them.
 *
 * @param tools all there are; those that the scopes do not allow are not listed, and their routes refuse to be called.
 */
export function createMcpServer({
  tools,
  scopes,
  ask,
}: {
  tools: readonly DescribedTool[]
  scopes: readonly string[]
  ask: AskRoute
}): Server {
  const server = new Server(
    { name: 'tocsin', version: '1' },
    { capabilities: { tools: {}, resources: {} }, instructions },
  )
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: tools
      .filter((described) => described.scopes.every((scope) => scopes.includes(scope)))
      .map(({ tool }) => tool),
  }))
  server.setRequestHandler(CallToolRequestSchema, ({ params }, { signal, _meta, sendNotification }) => {
    const described = tools.find(({ tool }) => tool.name === params.name)
    if (described === undefined) {
      throw new McpError(ErrorCode.InvalidParams, `There is no tool ${params.name}`)
    }
    const progressToken = _meta?.progressToken
    let last = -1
    const onProgress = ({ share, message }: Progress) => {
      // Each has to be more than the one before.
      if (progressToken === undefined || share <= last) return
      last = share
      const report = { progressToken, progress: share, total: 1, message }
      void sendNotification({ method: 'notifications/progress', params: report }).catch(() => {})
    }
    return callTool(described, params.arguments ?? {}, {
      ask,
      signal,
      onProgress: progressToken === undefined ? undefined : onProgress,
    })
  })
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: listDocs() }))
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => readDoc(params.uri))
  return server
}
