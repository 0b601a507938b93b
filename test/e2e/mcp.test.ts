import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents } from '../support/insert-events.ts'
import { startMcpServer, type TestMcpServer } from '../support/mcp-servers.ts'
import { type RunningRole, startRole } from '../support/start-role.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const token = 'a-token-for-tests-only'
const serverToken = 'a-token-of-the-mcp-server'
const chainId = 8453
const identity = '0x8004a169fb4a3325136eb29fa0ceb6d2e539a432'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database
let server: TestMcpServer
let home: string
let roles: RunningRole[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  server = await startMcpServer({ token: serverToken })
  home = mkdtempSync(join(tmpdir(), 'tocsin-mcp-'))
  const variables = {
    DATABASE_URL: database.url,
    TOCSIN_HOME: home,
    TOCSIN_API_PORT: '0',
    TOCSIN_API_TOKEN: token,
    OUTBOUND_ALLOW: '127.0.0.1',
  }
  roles = await Promise.all((['api', 'matcher', 'worker'] as const).map((role) => startRole(role, variables)))
})
afterAll(async () => {
  await Promise.all(roles.map((role) => role.stop()))
  await server?.close()
  await db?.end()
  await database?.drop()
  rmSync(home, { recursive: true, force: true })
})

const send = async (method: string, path: string, body: unknown) => {
  const response = await fetch(`${roles[0]?.detail.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (response.status !== 201) throw new Error(await response.text())
}

const at = (block: number) => ({
  id: `e-${block}`,
  chain_id: chainId,
  agent_id: '42',
  block_number: block,
  block_time: new Date(),
  occurrence: `o-${block}`,
})

it('an agent is told of its feedback on the MCP server that its registration file names, with the token of the user', async () => {
  await send('PUT', `/v1/mcp-tokens/${chainId}/42`, { token: serverToken, endpoint: server.url })
  await send('POST', '/v1/triggers', {
    name: 'Tell the agent',
    chain_id: chainId,
    registry: 'reputation',
    conditions: [],
    actions: [{ action_type: 'mcp', config: { resolve_endpoint: true, tool_name: 'notify' } }],
  })
  const file = JSON.stringify({ name: 'agent', services: [{ name: 'MCP', endpoint: server.url }] })
  const registered = sampleEvent('Registered', {
    ...at(1),
    contract_address: identity,
    token_uri: `data:application/json,${encodeURIComponent(file)}`,
  })
  await insertEvents(db, [registered, sampleEvent('NewFeedback', at(2))], { chainId, lastBlock: 2 })
  const [delivery] = await until(
    'the delivery ends',
    async () => {
      const rows = await db`
        select d.id, d.state, d.error_message, r.response_data from deliveries d
        join action_results r on r.delivery_id = d.id where d.state in ('succeeded', 'failed')`
      return rows.length === 1 && rows
    },
    60_000,
  )
  expect(delivery).toMatchObject({ state: 'succeeded', error_message: null })
  expect(delivery?.response_data).toMatchObject({
    endpoint: server.url,
    transport: 'streamable_http',
    protocol_version: '2025-11-25',
    tool: 'notify',
  })
  expect(server.calls).toMatchObject([
    {
      arguments: { type: 'trigger.matched', event: { id: 'e-2', agent_id: '42' } },
      meta: { 'tocsin/delivery-id': delivery?.id },
    },
  ])
})

it('a worker that stops ends its sessions', async () => {
  expect(server.sessionsOpen()).toBe(1)
  await roles[2]?.stop()
  await until('the session is ended', () => server.sessionsOpen() === 0)
})
