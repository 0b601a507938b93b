import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { type ErrorCode, McpError, type Resource } from '@modelcontextprotocol/sdk/types.js'

const pages = {
  triggers: 'Trigger documents: conditions, actions, templates, with examples',
  expressions: 'Expressions in conditions',
  engine: 'Conditions that remember, cooldowns, limits, and what a fork changes',
  templates: 'What templates can say',
  webhooks: 'What a receiver of webhooks gets',
  mcp: 'Calls of tools on MCP servers of agents',
  telegram: 'Messages to Telegram chats',
  delivery: 'Retries, breakers, and what becomes of a delivery',
  backtest: 'Running a trigger over history',
  reading: 'Events, agents, counts',
} as const

const file = (name: string) => new URL(`../../docs/${name}.md`, import.meta.url)

/** The guide, page by page, as far as it is installed. */
export function listDocs(): Resource[] {
  return Object.entries(pages)
    .filter(([name]) => existsSync(file(name)))
    .map(([name, description]) => ({
      uri: `tocsin://docs/${name}`,
      name,
      description,
      mimeType: 'text/markdown',
    }))
}

/** @throws McpError where there is no such page. */
export async function readDoc(uri: string) {
  const found = listDocs().find((page) => page.uri === uri)
  // -32002 is the protocol's own number for it.
  if (found === undefined) throw new McpError(-32002 as ErrorCode, `There is no resource ${uri}`)
  return {
    contents: [{ uri, mimeType: 'text/markdown', text: await readFile(file(found.name), 'utf8') }],
  }
}
