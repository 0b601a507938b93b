import type { z } from 'zod'
import { flag, integer, serverUrl, strict, template, text } from '../document-schema.ts'
import { retryingShape, withAttempts } from './retrying.ts'

export const mcpConfigSchema = strict({
  endpoint: serverUrl().optional(),
  resolve_endpoint: flag().default(false),
  tool_name: text(1, 128),
  arguments_template: template().optional(),
  verify_file_hash: flag().default(false),
  timeout_ms: integer(1000, 60_000).default(30_000),
  ...retryingShape,
})
  .refine((config) => (config.endpoint === undefined) === config.resolve_endpoint, {
    path: ['endpoint'],
    error: 'expected either endpoint or "resolve_endpoint": true',
    // Also beside other mistakes, so that one answer lists everything.
    when: ({ value }) => typeof value === 'object' && value !== null,
  })
  .transform(withAttempts)

/** What an MCP action does, as it is stored: every default is filled in. */
export type McpActionConfig = z.output<typeof mcpConfigSchema>
