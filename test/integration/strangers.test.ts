import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAccessTokens } from '../../src/accounts/access-tokens.ts'
import { createApp } from '../../src/api/app.ts'
import { createKnownKeys, type KnownKeys } from '../../src/api/known-keys.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { keyScopes, type Scope } from '../../src/scopes.ts'
import { createUser, linkWallet } from '../../src/store/accounts.ts'
import { createKey, revokeKey } from '../../src/store/api-keys.ts'
import { asUser } from '../../src/store/as-user.ts'
import { endSessions, startSession } from '../../src/store/sessions.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { openUserConnections, type UserConnections } from '../../src/store/user-connections.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

type Operation = { method: string; path: string; needs: Scope[] | 'nothing' }

const wallet = `0x${'ab'.repeat(20)}`
/** What only Ann's things hold. */
const marks = ['hidden-of-ann', 'ann.example', 'ann-chat', wallet]

let database: TestDatabase
let db: Database
let reads: UserConnections
let knownKeys: KnownKeys
let app: ReturnType<typeof createApp>
let operations: Operation[]
let ids: Record<string, string>
let ann: string
let bob: string
let bobsToken: string

const tokens = () => createAccessTokens(db, testSecrets)

async function signIn(userId: string): Promise<{ token: string; sessionId: string }> {
  const { sessionId } = await startSession(db, userId)
  return { token: (await tokens().issue({ userId, sessionId })).token, sessionId }
}

async function makeUser(username: string): Promise<string> {
  const id = await createUser(db, { username, passwordHash: null })
  if (id === undefined) throw new Error(`${username} is there already`)
  return id
}

const trigger = {
  name: 'hidden-of-ann',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [{ condition_type: 'score_threshold', operator: '<', value: 70 }],
  actions: [{ action_type: 'rest', config: { url: 'https://ann.example/hook' } }],
}

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'strangers test' })
  const log = createLog({ level: 'silent', format: 'json' }, 'test')
  // As the API runs: reads over connections that stay a user's, and keys that are known for a while.
  reads = openUserConnections(database.url, { name: 'strangers test reads' })
  knownKeys = createKnownKeys(database.url, log)
  app = createApp({
    db,
    reads,
    knownKeys,
    log,
    secrets: testSecrets,
    token: 'the-token-of-the-installation',
    userId: await ensureUser(db, 'bootstrap'),
    publicUrl: 'http://tocsin.example',
  })
  ann = await makeUser('ann')
  bob = await makeUser('bob')
  bobsToken = (await signIn(bob)).token
  ids = await fill((await signIn(ann)).token)
  const response = await app.request('/openapi.json')
  const description = (await response.json()) as {
    paths: Record<string, Record<string, { security?: { bearer: Scope[] }[] }>>
  }
  operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security }]) => ({
      method: method.toUpperCase(),
      path,
      needs: security?.[0]?.bearer ?? ('nothing' as const),
    })),
  )
})

afterAll(async () => {
  await knownKeys?.close()
  await reads?.end()
  await db?.end()
  await database?.drop()
})

/** Everything that a user can have, for Ann. */
async function fill(token: string): Promise<Record<string, string>> {
  const ask = async (method: string, path: string, body: unknown) => {
    const response = await send({ method, path, needs: [] }, token, { path, body })
    if (response.status >= 300) throw new Error(await response.text())
    return (await response.json()) as { id: string; actions: { id: number; destination_id: number }[] }
  }
  const made = await ask('POST', '/v1/triggers', trigger)
  const [action] = made.actions
  await ask('PUT', '/v1/mcp-tokens/31337/7', { token: 'geheim', endpoint: 'https://ann.example/' })
  await db`insert into telegram_chats (chat_id, user_id, kind, title) values ('4711', ${ann}, 'private', 'ann-chat')`
  await linkWallet(db, wallet, ann)
  const key = await createKey(db, ann, { name: 'hidden-of-ann', scopes: keyScopes, expiresAt: null })
  // One match of the trigger, and one of a trigger that is deleted now.
  const gone = await ask('POST', '/v1/triggers', trigger)
  const deliveries: string[] = []
  for (const { id, actions } of [made, gone]) {
    const [match] = await db`
      insert into matches (trigger_id, trigger_version, chain_id, occurrence, event_id, block_number, block_time, evidence)
      values (${id}, 1, 31337, 'o', 'e', 1, now(), ${db.json([{ seen: 'hidden-of-ann' }])}) returning id`
    const [delivery] = await db`
      insert into deliveries (match_id, trigger_id, action_id, destination_id, occurrence, event_id, block_time, action_type, priority, state, error_message)
      values (${match?.id}, ${id}, ${actions[0]?.id ?? 0}, ${actions[0]?.destination_id ?? 0}, 'o', 'e', now(), 'rest', 1, 'failed', 'hidden-of-ann')
      returning id`
    deliveries.push(String(delivery?.id))
    await db`
      insert into action_results (delivery_id, job_id, trigger_id, event_id, action_type, status, executed_at, duration_ms, error_message, retry_count)
      values (${deliveries.at(-1) ?? ''}, 'j', ${id}, 'e', 'rest', 'failed', now(), 1, 'hidden-of-ann', 0)`
  }
  await db`insert into alerts (user_id, kind, destination_id, message) values (${ann}, 'breaker_open', ${action?.destination_id ?? 0}, 'hidden-of-ann')`
  await send({ method: 'DELETE', path: `/v1/triggers/${gone.id}`, needs: [] }, token, {
    path: `/v1/triggers/${gone.id}`,
  })
  return {
    triggers: made.id,
    deliveries: deliveries[0] ?? '',
    destinations: String(action?.destination_id),
    actions: String(action?.id),
    users: ann,
    chats: '4711',
    keys: key?.id ?? '',
    wallets: wallet,
  }
}

/** Bodies with which a request goes as far as to what it is about. */
const bodies: Record<string, unknown> = {
  'POST /v1/triggers': { ...trigger, name: 'of bob', actions: [] },
  'PUT /v1/triggers/{id}': { ...trigger, name: 'changed' },
  'POST /v1/triggers/{id}/test': {},
  'POST /v1/triggers/{id}/conditions': { condition_type: 'score_threshold', operator: '<', value: 1 },
  'PUT /v1/triggers/{id}/conditions/{position}': {
    condition_type: 'score_threshold',
    operator: '<',
    value: 1,
  },
  'POST /v1/triggers/{id}/actions': { action_type: 'rest', config: { url: 'https://bob.example/' } },
  'PUT /v1/triggers/{id}/actions/{action}': { action_type: 'rest', config: { url: 'https://bob.example/' } },
  'POST /v1/deliveries/retry': { state: 'failed' },
  'PATCH /v1/destinations/{id}': { in_flight_max: 1 },
  'POST /v1/destinations/{id}/secret/rotate': {},
  'PUT /v1/mcp-tokens/{chain}/{agent}': { token: 'of-bob', endpoint: 'https://bob.example/' },
  'PATCH /v1/telegram/chats/{id}': { muted_until: null },
  'POST /v1/keys/{id}/rotate': { overlap: '0' },
  'POST /v1/keys': { name: 'of bob', scopes: ['events:read'] },
  'PATCH /v1/admin/users/{id}': { is_admin: true, is_active: false },
}

function send(
  { method, path, needs: _ }: Operation,
  token: string | undefined,
  { path: filled, body = bodies[`${method} ${path}`] }: { path?: string; body?: unknown } = {},
) {
  return app.request(filled ?? fillPath(path), {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

/** With the ids of Ann's things. */
function fillPath(path: string): string {
  const [, , resource = '', sub = ''] = path.split('/')
  const id = ids[['telegram', 'me', 'admin'].includes(resource) ? sub : resource] ?? '1'
  return (
    path
      .replace('{chain}', '31337')
      .replace('{agent}', '7')
      .replace(/\{(id|address)\}/, id)
      // A stream does not end by itself otherwise.
      .replace(/^\/v1\/stream$/, '/v1/stream?follow=false')
      .replace('{position}', '0')
      .replace('{action}', ids.actions ?? '1')
      .replace('{name}', 'unfit')
  )
}

const closedRoutes = () => operations.filter(({ needs }) => needs !== 'nothing')

/** Everything of Ann's, as the owner of the tables sees it. */
async function readAnns() {
  const [row] = await db`
    select
      (select json_agg(t order by t.id) from triggers t where t.user_id = ${ann}) as triggers,
      (select json_agg(d order by d.id) from destinations d where d.user_id = ${ann}) as destinations,
      (select json_agg(d order by d.id) from deliveries d) as deliveries,
      (select json_agg(s order by s.id) from destination_secrets s join destinations x on x.id = s.destination_id where x.user_id = ${ann}) as secrets,
      (select json_agg(m) from agent_mcp_tokens m where m.user_id = ${ann}) as mcp_tokens,
      (select json_agg(c) from telegram_chats c) as chats,
      (select json_agg(k order by k.id) from api_keys k where k.user_id = ${ann}) as keys,
      (select json_agg(u) from users u where u.id = ${ann}) as users,
      (select json_agg(w) from user_wallets w) as wallets,
      (select json_agg(a order by a.id) from alerts a) as alerts`
  return row
}

describe('every route', () => {
  test('is for nobody in particular only where it says so', () => {
    expect(
      operations.filter(({ needs }) => needs === 'nothing').map(({ method, path }) => `${method} ${path}`),
    ).toEqual([
      'GET /problems/{name}',
      'GET /healthz',
      'GET /readyz',
      'POST /v1/auth/register',
      'POST /v1/auth/login',
      'POST /v1/auth/refresh',
      'POST /v1/auth/wallet/nonce',
      'POST /v1/auth/wallet/login',
    ])
    expect(closedRoutes().length).toBeGreaterThan(35)
  })

  test('refuses nobody, and credentials that are made up, expired or revoked', async () => {
    const before = await readAnns()
    const revoked = await signIn(ann)
    await endSessions(db, ann, { only: revoked.sessionId })
    const expired = await createAccessTokens(db, testSecrets, { now: () => Date.now() - 16 * 60_000 }).issue({
      userId: ann,
      sessionId: (await startSession(db, ann)).sessionId,
    })
    const revokedKey = await createKey(db, bob, { name: 'k', scopes: keyScopes, expiresAt: null })
    await revokeKey(db, bob, revokedKey?.id ?? '')
    const expiredKey = await createKey(db, bob, {
      name: 'k',
      scopes: keyScopes,
      expiresAt: new Date(Date.now() - 1),
    })
    const strangers = [undefined, 'made-up', 'tcs_made-up', revoked.token, expired.token]
    for (const credential of [...strangers, revokedKey?.key, expiredKey?.key]) {
      for (const operation of closedRoutes()) {
        const response = await send(operation, credential)
        expect([operation.method, operation.path, response.status]).toEqual([
          operation.method,
          operation.path,
          401,
        ])
        expect(response.headers.get('www-authenticate')).toBe('Bearer')
      }
    }
    expect(await readAnns()).toEqual(before)
  })

  test('refuses a key of its owner that lacks the scope', async () => {
    const before = await readAnns()
    for (const operation of closedRoutes()) {
      const { needs } = operation
      if (needs === 'nothing' || needs.length === 0) continue
      const scopes = keyScopes.filter((scope) => !needs.includes(scope))
      const key = await createKey(db, ann, { name: 'narrow', scopes, expiresAt: null })
      const response = await send(operation, key?.key)
      expect([operation.method, operation.path, response.status]).toEqual([
        operation.method,
        operation.path,
        403,
      ])
      await db`delete from api_keys where id = ${key?.id ?? ''}`
    }
    expect(await readAnns()).toEqual(before)
  })

  test('shows another user nothing, and changes nothing for them', async () => {
    const before = await readAnns()
    for (const operation of closedRoutes()) {
      const { method, path } = operation
      // Ends the session that the walk uses: it is about Bob himself.
      if (path === '/v1/auth/logout' || (path === '/v1/me' && method === 'DELETE')) continue
      const response = await send(operation, bobsToken)
      const text = await response.text()
      const shown = text.replaceAll(/"detail":"[^"\\]*(\\.[^"\\]*)*"/g, '')
      for (const mark of marks) expect(shown, `${method} ${path}`).not.toContain(mark)
      expect(response.status, `${method} ${path}: ${text}`).toBeLessThan(500)
      const ofAnn = /\{(id|address)\}/.test(path)
      if (operation.needs.includes('admin' as never)) expect([path, response.status]).toEqual([path, 403])
      else if (ofAnn) expect([method, path, response.status]).toEqual([method, path, 404])
    }
    expect(await readAnns()).toEqual(before)
  })

  test('shows its owner what they have, also what a trigger that is deleted did', async () => {
    const { token } = await signIn(ann)
    const count = async (path: string) => {
      const response = await send({ method: 'GET', path, needs: [] }, token)
      return ((await response.json()) as { data: unknown[] }).data.length
    }
    expect(await count('/v1/triggers')).toBe(1)
    expect(await count('/v1/deliveries')).toBe(2)
    expect(await count('/v1/matches')).toBe(2)
    expect(await count('/v1/results')).toBe(2)
    expect(await count('/v1/alerts')).toBe(1)
    expect(await count('/v1/keys')).toBe(1)
  })
})

describe('row-level security, whatever a query asks for', () => {
  /** Seen by everybody with an account. */
  const everybodys = [
    'checkpoints',
    'chain_heads',
    'event_status',
    'events',
    'events_canonical',
    'matcher_cursors',
    'newest_event_status',
    'telegram_bots',
  ]

  const visible = () => db<{ name: string; secured: boolean }[]>`
    select c.relname as name, c.relrowsecurity as secured from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition
      and has_table_privilege('tocsin_api', c.oid, 'select')
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    order by 1`

  test('holds for every table that the role of the API can see and that is not everybody’s', async () => {
    const rows = await visible()
    expect(rows.filter(({ secured }) => !secured).map(({ name }) => name)).toEqual(everybodys.toSorted())
    expect(rows.filter(({ secured }) => secured).length).toBeGreaterThan(15)
    const [role] =
      await db`select rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname = 'tocsin_api'`
    expect(role).toEqual({ rolsuper: false, rolbypassrls: false, rolcanlogin: false })
  })

  test('shows another user, and nobody, no row at all', async () => {
    const made = await db`delete from triggers where user_id = ${bob} returning id`
    await db`delete from destinations where user_id = ${bob}`
    await db`delete from agent_mcp_tokens where user_id = ${bob}`
    await db`delete from api_keys where user_id = ${bob}`
    expect(made.length).toBeGreaterThanOrEqual(0)
    for (const { name, secured } of await visible()) {
      if (!secured) continue
      for (const stranger of [bob, '', 'nobody']) {
        // What Bob has done himself stays there.
        const others = name === 'audit_log' ? `where user_id is distinct from '${stranger}'` : ''
        const [row] = await asUser(db, stranger).unsafe(`select count(*) as rows from ${name} ${others}`)
        expect([name, stranger, row?.rows]).toEqual([name, stranger, 0])
      }
    }
    const [own] = await asUser(db, ann).unsafe('select count(*) as rows from deliveries')
    expect(own?.rows).toBe(2)
  })

  test('lets another user change, delete and make nothing of Ann’s', async () => {
    const before = await readAnns()
    const asBob = asUser(db, bob)
    for (const table of ['triggers', 'destinations', 'api_keys', 'telegram_chats', 'agent_mcp_tokens']) {
      await asBob.unsafe(`update ${table} set created_at = now()`)
      await asBob.unsafe(`delete from ${table}`)
    }
    await asBob.unsafe(`update deliveries set state = 'pending'`)
    await expect(
      asBob.unsafe(
        `insert into triggers (user_id, name, chain_id, registry) values ($1, 'n', 1, 'identity')`,
        [ann],
      ),
    ).rejects.toThrow('row-level security')
    await expect(asBob.unsafe('select * from users')).rejects.toThrow('permission denied')
    await expect(asBob.unsafe('select * from refresh_tokens')).rejects.toThrow('permission denied')
    await expect(asBob.unsafe('select * from token_keys')).rejects.toThrow('permission denied')
    expect(await readAnns()).toEqual(before)
  })

  test('ends with the transaction: the next one on the same connection is the owner’s again', async () => {
    const one = openDatabase(database.url, { name: 'strangers test', connectionsMax: 1 })
    try {
      await asUser(one, bob).unsafe('select 1')
      await asUser(one, bob)
        .unsafe('select 1 / 0')
        .catch(() => {})
      const [row] =
        await one`select current_user = session_user as is_owner, current_setting('app.current_user_id', true) as id`
      expect(row).toEqual({ is_owner: true, id: '' })
    } finally {
      await one.end()
    }
  })
})
