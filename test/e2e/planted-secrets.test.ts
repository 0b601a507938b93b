import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { createSiweMessage } from 'viem/siwe'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents } from '../support/insert-events.ts'
import { startMcpServer, type TestMcpServer } from '../support/mcp-servers.ts'
import { startReceiver } from '../support/receiver.ts'
import { testSecretKeys } from '../support/secrets.ts'
import { type RunningRole, startRole } from '../support/start-role.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const chainId = 8453
const publicUrl = 'https://tocsin.example'

/** A new secret, which nothing else in the world looks like. */
const plant = (name: string) => `${name}-${randomBytes(18).toString('hex')}`

const planted = {
  installation: plant('installation'),
  metrics: plant('metrics'),
  botToken: `987654321:${randomBytes(20).toString('hex')}`,
  password: plant('password'),
  wrongPassword: plant('wrong-password'),
  nextPassword: plant('next-password'),
  strangersToken: plant('strangers-token'),
  strangersKey: `tcs_${randomBytes(32).toString('base64url')}`,
  headerOfTrigger: plant('header-of-trigger'),
  bearerOfTrigger: plant('bearer-of-trigger'),
  mcpToken: plant('mcp-token'),
  encryptionKey: testSecretKeys.split(':')[1] ?? '',
}

/** Of what the user can read back, the database may know the text; nobody writes it into a log. */
const onlyUnlogged = {
  bodyOfTrigger: plant('body-of-trigger'),
  queryOfTrigger: plant('query-of-trigger'),
  queryOfRequest: plant('query-of-request'),
  pathOfRequest: plant('path-of-request'),
  brokenBody: plant('broken-body'),
}

/** What is told, and so must be found: of the log by a header that it names requests by, of the database by a name. */
const controls = { log: `control-${randomBytes(12).toString('hex')}`, database: plant('control') }

let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database
let receiver: Awaited<ReturnType<typeof startReceiver>>
let mcpServer: TestMcpServer
let home: string
let roles: RunningRole[] = []
let logged = ''

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  receiver = await startReceiver()
  mcpServer = await startMcpServer({ token: planted.mcpToken })
  home = mkdtempSync(join(tmpdir(), 'tocsin-planted-'))
  const variables = {
    DATABASE_URL: database.url,
    TOCSIN_HOME: home,
    TOCSIN_LOG_LEVEL: 'debug',
    TOCSIN_API_PORT: '0',
    TOCSIN_API_TOKEN: planted.installation,
    TOCSIN_METRICS_TOKEN: planted.metrics,
    TOCSIN_SECRET_KEYS: testSecretKeys,
    TOCSIN_PUBLIC_URL: publicUrl,
    TELEGRAM_BOT_TOKEN: planted.botToken,
    // It answers what Telegram never would: the client's errors name the address, with the token in it.
    TELEGRAM_API_ROOT: `${receiver.url}/telegram`,
    OUTBOUND_ALLOW: '127.0.0.0/8',
  }
  roles = await Promise.all(
    (['api', 'matcher', 'worker'] as const).map((role) =>
      startRole(role, variables, (text) => {
        logged += text
      }),
    ),
  )
}, 60_000)
afterAll(async () => {
  await Promise.all(roles.map((role) => role.stop()))
  await receiver?.close()
  await mcpServer?.close()
  await db?.end()
  await database?.drop()
  if (home !== undefined) rmSync(home, { recursive: true, force: true })
})

type Answer = { status: number; text: string; body: Record<string, unknown> & { data?: { id: string }[] } }

async function ask(
  method: string,
  path: string,
  options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { token, body, headers = {} } = options
  const response = await fetch(`${roles[0]?.detail.url}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text, body: text.startsWith('{') ? JSON.parse(text) : {} }
}

/** Every way in which the text could lie there: as it is, in hex, in base64 wherever it begins within what is encoded. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const shifted = [0, 1, 2].map((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    // Characters that are partly of what stands before or behind.
    return whole.slice(before === 0 ? 0 : before + 1, -2)
  })
  const forms = [secret, bytes.toString('hex'), ...shifted]
  return [...forms, ...shifted.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))]
}

const isIn = (haystack: string, secret: string) => formsOf(secret).some((form) => haystack.includes(form))

/** Every row of every table, the queue's too, as text: bytes in hex, JSON as it is written. */
async function dumpDatabase(): Promise<string> {
  const tables = await db<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'`
  const parts: string[] = []
  for (const { name } of tables) {
    const rows = await db.unsafe<{ row: string }[]>(`select t::text as row from ${name} t`)
    parts.push(...rows.map(({ row }) => `${name} ${row}`))
  }
  return parts.join('\n')
}

it('no secret is in a log or, in the clear, in the database', async () => {
  // Who receives sends back what it got, as badly written services do: once well, once with an error.
  receiver.answerWith(({ path, headers, body }, response) => {
    response.writeHead(path.startsWith('/bad') ? 400 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ path, headers, body }))
  })
  const secrets: Record<string, string> = { ...planted }
  const keep = ({ status, body }: Answer, name: string, wanted: number) => {
    expect(status, `${name}: ${JSON.stringify(body)}`).toBe(wanted)
    for (const [key, value] of Object.entries(body)) {
      if (/^(access_token|refresh_token|key|signing_secret)$/.test(key))
        secrets[`${name} ${key}`] = String(value)
    }
    return body
  }

  // An account, its sessions, a key.
  const { password, wrongPassword, nextPassword } = planted
  const username = 'planted-user'
  keep(await ask('POST', '/v1/auth/register', { body: { username, password } }), 'register', 201)
  const failed = await ask('POST', '/v1/auth/login', { body: { username, password: wrongPassword } })
  expect(failed.status).toBe(401)
  const session = keep(await ask('POST', '/v1/auth/login', { body: { username, password } }), 'login', 200)
  const next = keep(
    await ask('POST', '/v1/auth/refresh', { body: { refresh_token: session.refresh_token } }),
    'refresh',
    200,
  )
  const token = String(next.access_token)
  const change = { current_password: password, new_password: nextPassword }
  expect((await ask('POST', '/v1/auth/change-password', { token, body: change })).status).toBe(204)
  // A used refresh token ends the session: of another one, for this one is still needed.
  const other = keep(
    await ask('POST', '/v1/auth/login', { body: { username, password: nextPassword } }),
    'second login',
    200,
  )
  const stolen = { refresh_token: other.refresh_token }
  keep(await ask('POST', '/v1/auth/refresh', { body: stolen }), 'second refresh', 200)
  expect((await ask('POST', '/v1/auth/refresh', { body: stolen })).status).toBe(401)

  const idempotent = {
    token,
    headers: { 'idempotency-key': 'a-key-once' },
    body: {
      name: 'planted',
      scopes: ['triggers:read', 'triggers:write', 'deliveries:read', 'deliveries:write', 'events:read'],
      expires_at: null,
    },
  }
  const made = keep(await ask('POST', '/v1/keys', idempotent), 'key', 201)
  expect((await ask('POST', '/v1/keys', idempotent)).body).toEqual(made)
  const key = String(made.key)

  // A wallet.
  const account = privateKeyToAccount(generatePrivateKey())
  const { nonce } = (await ask('POST', '/v1/auth/wallet/nonce')).body
  const message = createSiweMessage({
    address: account.address,
    chainId: 1,
    domain: 'tocsin.example',
    uri: publicUrl,
    version: '1',
    nonce: String(nonce),
  })
  const signature = await account.signMessage({ message })
  secrets.walletSignature = signature.slice(2)
  keep(await ask('POST', '/v1/auth/wallet/login', { body: { message, signature } }), 'wallet', 200)

  // What is refused, and what cannot be read.
  const { strangersToken, strangersKey } = planted
  for (const stranger of [strangersToken, strangersKey]) {
    expect((await ask('GET', '/v1/triggers', { token: stranger })).status).toBe(401)
  }
  const { queryOfRequest, pathOfRequest, brokenBody } = onlyUnlogged
  expect((await ask('GET', `/v1/triggers?token=${queryOfRequest}`, { token: key })).status).toBe(400)
  expect((await ask('GET', `/v1/triggers/${pathOfRequest}`, { token: key })).status).toBe(404)
  expect((await ask('GET', `/v1/${pathOfRequest}`, { token: key })).status).toBe(404)
  expect((await ask('POST', '/v1/triggers', { token: key, body: `{"a": ${brokenBody}` })).status).toBe(400)
  expect((await ask('GET', '/metrics', { token: planted.metrics })).status).toBe(200)
  expect((await ask('GET', '/v1/triggers', { token: planted.installation })).status).toBe(200)

  // A trigger with every kind of action, the credential of an agent, and an event.
  const tokenOfAgent = { token: planted.mcpToken, endpoint: mcpServer.url }
  expect((await ask('PUT', `/v1/mcp-tokens/${chainId}/42`, { token: key, body: tokenOfAgent })).status).toBe(
    201,
  )
  const rest = (path: string) => ({
    action_type: 'rest',
    config: {
      url: `${receiver.url}${path}?key=${onlyUnlogged.queryOfTrigger}`,
      headers: {
        'X-Api-Key': planted.headerOfTrigger,
        Authorization: `Bearer ${planted.bearerOfTrigger}`,
      },
      body_template: { secret: onlyUnlogged.bodyOfTrigger },
    },
  })
  const trigger = await ask('POST', '/v1/triggers', {
    token: key,
    headers: { 'idempotency-key': 'a-trigger-once', 'x-request-id': controls.log },
    body: {
      name: controls.database,
      chain_id: chainId,
      registry: 'reputation',
      conditions: [],
      actions: [
        rest('/good'),
        rest('/bad'),
        { action_type: 'mcp', config: { resolve_endpoint: true, tool_name: 'notify' } },
        { action_type: 'telegram', config: { chat_id: '123', message_template: 'Feedback' } },
      ],
    },
  })
  const { actions } = keep(trigger, 'trigger', 201) as { actions: { signing_secret?: string }[] }
  for (const [position, { signing_secret }] of actions.entries()) {
    if (signing_secret !== undefined) secrets[`signing secret ${position}`] = signing_secret
  }

  const at = (block: number) => ({
    id: `e-${block}`,
    chain_id: chainId,
    agent_id: '42',
    block_number: block,
    block_time: new Date(),
    occurrence: `o-${block}`,
  })
  const file = JSON.stringify({ name: 'agent', services: [{ name: 'MCP', endpoint: mcpServer.url }] })
  const registered = sampleEvent('Registered', {
    ...at(1),
    contract_address: '0x8004a169fb4a3325136eb29fa0ceb6d2e539a432',
    token_uri: `data:application/json,${encodeURIComponent(file)}`,
  })
  await insertEvents(db, [registered, sampleEvent('NewFeedback', at(2))], { chainId, lastBlock: 2 })
  const attempts = await until('every action was tried', async () => {
    const rows = await db<{ action_type: string; status: string }[]>`
      select distinct action_type, status from action_results order by action_type, status`
    return new Set(rows.map((row) => `${row.action_type} ${row.status}`)).size >= 4 && rows
  })
  const outcomes = attempts.map(({ action_type, status }) => `${action_type} ${status}`)
  expect(outcomes).toEqual(expect.arrayContaining(['mcp success', 'rest failed', 'rest success']))
  expect(outcomes.some((outcome) => /^telegram (failed|retrying)$/.test(outcome))).toBe(true)

  // New secrets of what is there.
  const { data = [] } = (await ask('GET', '/v1/destinations?action_type=rest', { token: key })).body
  expect(data.length).toBeGreaterThan(0)
  const rotate = await ask('POST', `/v1/destinations/${data[0]?.id}/secret/rotate`, { token: key })
  keep(rotate, 'rotated', 200)
  keep(await ask('POST', `/v1/keys/${made.id}/rotate`, { token, body: {} }), 'rotated key', 201)

  await Promise.all(roles.map((role) => role.stop()))
  const dump = await dumpDatabase()

  // It can be found at all: in the log, in the database, and however it is written there.
  expect(isIn(logged, controls.log)).toBe(true)
  expect(isIn(dump, controls.database)).toBe(true)
  for (const encoding of ['utf8', 'hex', 'base64', 'base64url'] as const) {
    for (const before of ['', 'a', 'ab']) {
      const hidden = Buffer.from(`${before}${controls.database} and more`).toString(encoding)
      expect(isIn(hidden, controls.database), `${encoding} after ${before.length}`).toBe(true)
    }
  }
  expect(logged.split('\n').length).toBeGreaterThan(20)
  expect(Object.keys(secrets).length).toBeGreaterThan(20)

  const leaks = Object.entries({ ...secrets, ...onlyUnlogged }).flatMap(([name, secret]) => [
    ...(isIn(logged, secret) ? [`${name} in the log`] : []),
    ...(isIn(dump, secret) && name in secrets ? [`${name} in the database`] : []),
  ])
  // Where, without what.
  const places = (text: string, secret: string) =>
    text.split('\n').flatMap((line) => (isIn(line, secret) ? [line.slice(0, 300)] : []))
  const shown = Object.entries(secrets).flatMap(([, secret]) => [
    ...places(dump, secret),
    ...places(logged, secret),
  ])
  expect(leaks, shown.join('\n')).toEqual([])
}, 60_000)
