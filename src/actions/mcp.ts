import { z } from 'zod'
import { flag, integer, serverUrl, strict, template, text } from '../document-schema.ts'
import { retryingShape, withAttempts } from './retrying.ts'

const agentIdExpected = 'expected an agent id: a whole number, as text where it is above 9007199254740991'
const argumentsExpected = 'expected an object, whose keys are the arguments of the tool'

export const mcpConfigSchema = strict({
  endpoint: serverUrl().optional(),
  resolve_endpoint: flag().default(false),
  agent_id: z
    .union([z.int().min(0), z.string().regex(/^(0|[1-9]\d{0,77})$/)], { error: agentIdExpected })
    .transform(String)
    .optional()
    .meta({ description: 'Whose endpoint and token are used; the agent of the event unless given' }),
  tool_name: text(1, 128),
  arguments_template: template()
    .refine((value) => value === undefined || isObject(value), { error: argumentsExpected })
    .optional(),
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

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
