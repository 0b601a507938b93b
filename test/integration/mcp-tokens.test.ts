import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createSecretBox } from '../../src/secret-box.ts'
import { openMcpToken } from '../../src/store/mcp-tokens.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const secrets = createSecretBox([{ id: 'k1', key: Buffer.alloc(32, 7) }])
const log = createLog({ level: 'silent', format: 'json' }, 'test')
const token = 'a-token-that-nobody-may-read-back'
const endpoint = 'https://mcp.agent.example/mcp'

let database: TestDatabase
let db: Database
let ask: (method: string, path: string, body?: unknown) => Promise<{ status: number; text: string }>
let userId: string

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  userId = await ensureUser(db, 'bootstrap')
  const app = createApp({ db, log, secrets, token: 'the-token-of-the-api', userId })
  ask = async (method, path, body) => {
    const response = await app.request(`/v1/mcp-tokens${path}`, {
      method,
      headers: { authorization: 'Bearer the-token-of-the-api', 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, text: await response.text() }
  }
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`delete from agent_mcp_tokens`
})

it('a token is stored, replaced and deleted, and never read back', async () => {
  expect((await ask('GET', '/8453/42')).status).toBe(404)
  const created = await ask('PUT', '/8453/42', { token, endpoint })
  expect(created.status).toBe(201)
  const known = { chain_id: 8453, agent_id: '42', endpoint, key_id: 'k1' }
  expect(JSON.parse(created.text)).toMatchObject(known)
  const replaced = await ask('PUT', '/8453/42', { token, endpoint: 'https://other.example' })
  expect(replaced.status).toBe(200)
  const read = await ask('GET', '/8453/42')
  expect(JSON.parse(read.text)).toMatchObject({ ...known, endpoint: 'https://other.example' })
  const list = await ask('GET', '')
  expect(JSON.parse(list.text)).toMatchObject({ data: [{ agent_id: '42' }], next_cursor: null })
  for (const { text } of [created, replaced, read, list]) expect(text).not.toContain(token)
  expect((await ask('DELETE', '/8453/42')).status).toBe(204)
  expect((await ask('DELETE', '/8453/42')).status).toBe(404)
})

it('what is stored opens for the triggers of its user only', async () => {
  await ask('PUT', '/8453/0', { token, endpoint })
  const [row] = await db`
    insert into triggers (user_id, name, chain_id, registry) values (${userId}, 'n', 8453, 'identity') returning id`
  const found = await openMcpToken(db, secrets, String(row?.id), { chainId: 8453, agentId: '0' })
  expect(found).toEqual({ token, endpoint })
  const [stored] = await db`select token from agent_mcp_tokens`
  expect(stored?.token).not.toContain(token)
})

it('agents are numbers as large as the chain has, in order, and pages go on after each other', async () => {
  const largest = (2n ** 256n - 1n).toString()
  for (const agent of [largest, '10', '9', '0']) {
    expect((await ask('PUT', `/8453/${agent}`, { token, endpoint })).status).toBe(201)
  }
  await ask('PUT', '/1/5', { token, endpoint })
  const seen: string[] = []
  let cursor = ''
  do {
    const { text } = await ask('GET', `?limit=2${cursor}`)
    const page = JSON.parse(text)
    seen.push(
      ...page.data.map((row: { chain_id: number; agent_id: string }) => `${row.chain_id}/${row.agent_id}`),
    )
    cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`
  } while (cursor !== '')
  expect(seen).toEqual(['1/5', '8453/0', '8453/9', '8453/10', `8453/${largest}`])
  const { text } = await ask('GET', '?chain_id=1')
  expect(JSON.parse(text).data).toHaveLength(1)
})

it.each([
  ['/8453/42', { token }, 'endpoint'],
  ['/8453/42', { endpoint }, 'token'],
  ['/8453/42', { token: 'two words', endpoint }, 'token'],
  ['/8453/42', { token: 'line\nbreak', endpoint }, 'token'],
  ['/8453/42', { token, endpoint: 'http://mcp.agent.example' }, 'expected https://'],
  ['/8453/42', { token, endpoint: 'https://user:word@mcp.agent.example' }, 'endpoint'],
  ['/8453/42', { token, endpoint: 'no url' }, 'endpoint'],
  ['/8453/42', { token, endpoint, more: 1 }, 'more'],
  ['/8453/-1', { token, endpoint }, 'whole number'],
  ['/8453/007', { token, endpoint }, 'whole number'],
  [`/8453/${2n ** 256n}`, { token, endpoint }, 'whole number'],
  ['/999/42', { token, endpoint }, 'known registries'],
])('refuses PUT %s %j', async (path, body, message) => {
  const { status, text } = await ask('PUT', path, body)
  expect(status).toBe(400)
  expect(text).toContain(message)
  expect(text).not.toContain(token)
  expect(await db`select from agent_mcp_tokens`).toHaveLength(0)
})
