import type { Queryable } from '../../src/db.ts'
import type { SecretBox } from '../../src/secret-box.ts'
import type { McpTools } from '../actions/mcp.ts'
import { createRegistrationCache, type RegistrationTools } from '../files/resolve-mcp-endpoint.ts'
import { createMcpClients } from './create-mcp-clients.ts'
import { createTokenFinder } from './find-token.ts'
import type { McpHttp } from './session-fetch.ts'

/** What MCP actions work with. `clients.close` ends it. */
export function createMcpTools(options: {
  db: Queryable
  http: McpHttp & RegistrationTools['http']
  secrets: SecretBox
  gateways: readonly string[]
}): McpTools {
  const { db, http, secrets, gateways } = options
  return {
    clients: createMcpClients(http),
    findToken: createTokenFinder(db, secrets),
    files: { db, http, gateways, registrations: createRegistrationCache() },
  }
}
