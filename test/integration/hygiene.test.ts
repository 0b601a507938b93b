import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiApp, createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import type { Log } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { createAnswerCheck } from '../support/check-answer.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents } from '../support/insert-events.ts'
import { testSecrets } from '../support/secrets.ts'
import { startRole } from '../support/start-role.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const token = 'a-token-for-tests-only'
const origin = 'https://app.example'

type Line = { level: string; message: string } & Record<string, unknown>

let database: TestDatabase
let db: Database
let userId: string
let app: ApiApp
const lines: Line[] = []

/** A log that keeps what it is told. */
function keeping(bindings: Record<string, unknown> = {}): Log {
  const keep = (level: string) => (own: Record<string, unknown>, message: string) =>
    void lines.push({ ...bindings, ...own, level, message })
  return {
    child: (own) => keeping({ ...bindings, ...own }),
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
  }
}

const make = (options: Partial<Parameters<typeof createApp>[0]> = {}) =>
  createApp({ db, log: keeping(), secrets: testSecrets, token, userId, ...options })

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  userId = await ensureUser(db, 'bootstrap')
  app = make()
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

const ask = (path: string, init: RequestInit = {}, asked = app) =>
  asked.request(path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })

describe('every answer', () => {
  test.each([
    '/healthz',
    '/readyz',
    '/metrics',
    '/openapi.json',
    '/v1/triggers',
    '/v1/triggers/x',
    '/nothing',
  ])('%s is no page, is not framed, is not guessed at, and names its request', async (path) => {
    const { headers } = await ask(path)
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('strict-transport-security')).toBeNull()
    expect(headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/)
  })

  test('binds browsers to https only where people are said to come by it', async () => {
    const at = async (publicUrl: string) =>
      (await ask('/healthz', {}, make({ publicUrl }))).headers.get('strict-transport-security')
    expect(await at('https://tocsin.example')).toBe('max-age=31536000')
    expect(await at('http://localhost:8004')).toBeNull()
  })

  test('the page at /docs keeps its own policy', async () => {
    expect((await ask('/docs')).headers.get('content-security-policy')).toContain("script-src 'self'")
  })
})

describe('pages of other origins', () => {
  const preflight = {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'if-match' },
  }
  const allowed = (response: Response) => response.headers.get('access-control-allow-origin')

  test('are not let in unless somebody says which', async () => {
    expect(allowed(await ask('/v1/triggers', { headers: { origin } }))).toBeNull()
    const refused = await app.request('/v1/triggers', preflight)
    expect([refused.status >= 400, allowed(refused)]).toEqual([true, null])
  })

  test('of a named origin may ask, read the headers that they need, and send no cookies', async () => {
    const open = make({ corsOrigins: [origin] })
    const before = await open.request('/v1/triggers', preflight)
    expect([before.status, allowed(before)]).toEqual([204, origin])
    expect(before.headers.get('access-control-allow-methods')).toContain('PUT')
    expect(before.headers.get('access-control-allow-headers')).toContain('If-Match')
    const answer = await ask('/v1/triggers', { headers: { origin } }, open)
    expect([answer.status, allowed(answer)]).toEqual([200, origin])
    expect(answer.headers.get('vary')).toContain('Origin')
    for (const name of [
      'ETag',
      'Location',
      'RateLimit',
      'Retry-After',
      'X-Request-Id',
      'Idempotency-Replayed',
    ]) {
      expect(answer.headers.get('access-control-expose-headers')).toContain(name)
    }
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
    // A refusal can be read by the page, too.
    expect(allowed(await open.request('/v1/triggers', { headers: { origin } }))).toBe(origin)
    for (const other of ['https://evil.example', `${origin}.evil.example`, 'null']) {
      expect(allowed(await ask('/v1/triggers', { headers: { origin: other } }, open)), other).toBeNull()
    }
  })

  test('may use the MCP server where they are named', async () => {
    const status = async (from: string) =>
      (
        await ask(
          '/mcp',
          {
            method: 'POST',
            headers: {
              origin: from,
              'content-type': 'application/json',
              accept: 'application/json, text/event-stream',
            },
            body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
          },
          make({ corsOrigins: [origin] }),
        )
      ).status
    expect([await status(origin), await status('https://evil.example')]).toEqual([200, 403])
  })
})

describe('a request', () => {
  test('keeps the id that it came with, in the answer, the problem and the log', async () => {
    for (const id of ['a', 'Trace_1.2-3', 'x'.repeat(128)]) {
      lines.length = 0
      const response = await ask('/v1/triggers/nothing', { headers: { 'x-request-id': id } })
      expect(response.headers.get('x-request-id')).toBe(id)
      expect(await response.json()).toMatchObject({ status: 404, request_id: id })
      expect(lines).toMatchObject([{ request_id: id, status: 404 }])
    }
  })

  test('gets a new id in place of one that is not well-formed', async () => {
    for (const id of ['x'.repeat(129), 'a b', '"quoted"', '<script>', 'a;b']) {
      const given = (await ask('/v1/triggers', { headers: { 'x-request-id': id } })).headers.get(
        'x-request-id',
      )
      expect(given, id).toMatch(/^[\da-f-]{36}$/)
    }
  })

  test('is one line: who, what, how it ended and how long it took, and nothing of what it said', async () => {
    lines.length = 0
    await ask('/v1/triggers?limit=7&cursor=')
    await ask('/v1/triggers/some-id?x=1')
    await app.request('/v1/secret-path', { method: 'POST', body: 'secret-body' })
    expect(lines).toMatchObject([
      { level: 'info', method: 'GET', route: '/v1/triggers', status: 400, user_id: userId },
      { level: 'info', method: 'GET', route: '/v1/triggers/:id', status: 404, user_id: userId },
      { level: 'info', method: 'POST', route: 'none', status: 401, user_id: undefined },
    ])
    for (const line of lines) expect(line.ms).toBeGreaterThan(0)
    expect(JSON.stringify(lines)).not.toMatch(/some-id|secret|limit=|cursor/)
  })

  test('of a supervisor is told only when it goes wrong', async () => {
    lines.length = 0
    await ask('/healthz')
    await ask('/readyz')
    expect(lines.map(({ level }) => level)).toEqual(['debug', 'debug'])
  })

  test('that fails on our side is an error in the log with its reason, which the answer does not tell', async () => {
    const broken = new Proxy(db, {
      get: (target, name) =>
        name === 'begin' || name === 'unsafe'
          ? () => Promise.reject(new Error('the reason'))
          : Reflect.get(target, name),
    })
    lines.length = 0
    const response = await ask('/v1/admin/users', {}, make({ db: broken }))
    expect(response.status).toBe(500)
    const text = await response.text()
    expect(text).not.toContain('the reason')
    const [line] = lines.filter(({ level }) => level === 'error')
    expect(line).toMatchObject({ route: '/v1/admin/users', status: 500, error: 'the reason' })
    expect(line?.request_id).toBe(JSON.parse(text).request_id)
  })

  test('that is a problem fits the description with its id', async () => {
    const check = createAnswerCheck((await (await ask('/openapi.json')).json()) as object)
    expect(await check('GET', '/v1/triggers/{id}', await ask('/v1/triggers/nothing'))).toEqual([])
  })
})

describe('readiness', () => {
  test('ends before anything else, when the process is to stop', async () => {
    const controller = new AbortController()
    const stopping = make({ signal: controller.signal })
    expect((await stopping.request('/readyz')).status).toBe(200)
    controller.abort()
    const response = await stopping.request('/readyz')
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ detail: 'The process is stopping.' })
    expect((await stopping.request('/healthz')).status).toBe(200)
  })

  test('is false within two seconds where the database takes a connection and says nothing', async () => {
    const silent: Server = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const hanging = openDatabase(`postgres://x@127.0.0.1:${port}/x`, { name: 'test' })
    try {
      const lost = make({ db: hanging })
      const began = performance.now()
      const statuses = await Promise.all(
        Array.from({ length: 5 }, async () => (await lost.request('/readyz')).status),
      )
      expect(statuses).toEqual([503, 503, 503, 503, 503])
      expect(performance.now() - began).toBeLessThan(3000)
      expect((await lost.request('/healthz')).status).toBe(200)
    } finally {
      await hanging.end({ timeout: 0 })
      silent.close()
    }
  })
})

test('a request that is under way at SIGTERM gets its answer, and the process is not ready meanwhile', async () => {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-hygiene-'))
  const role = await startRole('api', {
    DATABASE_URL: database.url,
    TOCSIN_HOME: home,
    TOCSIN_API_PORT: '0',
    TOCSIN_API_TOKEN: token,
  })
  const url = String(role.detail.url)
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const name = 'made while stopping'
  const actions = [{ action_type: 'rest', config: { url: 'https://hooks.example' } }]
  const document = { name, chain_id: 8453, registry: 'identity', conditions: [], actions }
  // It cannot be stored for as long as somebody else holds the table.
  let release = () => {}
  const holding = db.begin(async (transaction) => {
    await transaction`lock table triggers in access exclusive mode`
    await new Promise<void>((resolve) => {
      release = resolve
    })
  })
  try {
    await until('the table is held', async () => {
      const [held] = await db`
        select from pg_locks where relation = 'triggers'::regclass and mode = 'AccessExclusiveLock' and granted`
      return held
    })
    const slow = fetch(`${url}/v1/triggers`, { method: 'POST', headers, body: JSON.stringify(document) })
    slow.catch(() => {})
    await until('the request waits', async () => {
      const [waiting] = await db`select from pg_locks where relation = 'triggers'::regclass and not granted`
      return waiting
    })
    const stopped = role.stop()
    const unready = await until('it is not ready', async () => {
      const response = await fetch(`${url}/readyz`)
      return response.status === 503 && response
    })
    expect(unready.headers.get('connection')).toBe('close')
    expect(await unready.json()).toMatchObject({ detail: 'The process is stopping.' })
    release()
    await holding
    const answer = await slow
    expect([answer.status, answer.headers.get('connection')]).toEqual([201, 'close'])
    expect(await answer.json()).toMatchObject({ name })
    await stopped
    expect(role.child.exitCode).toBe(0)
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  } finally {
    release()
    await holding
    await role.stop()
    rmSync(home, { recursive: true, force: true })
  }
}, 30_000)

describe('metrics', () => {
  const chainId = 59_144
  const scrape = async () => (await ask('/metrics', {}, make())).text()

  test('tell how long events have waited for the matcher, and not of those that left the chain', async () => {
    const event = sampleEvent('Registered', { chain_id: chainId, block_number: 10, block_time: new Date() })
    await insertEvents(db, [event], { chainId, lastBlock: 12 })
    await db`update events set created_at = now() - interval '90 seconds' where chain_id = ${chainId}`
    const lag = async () => {
      const found = new RegExp(`tocsin_chain_unmatched_seconds{chain_id="${chainId}"[^}]*} (\\S+)`)
      return Number(found.exec(await scrape())?.[1])
    }
    expect(await lag()).toBeGreaterThan(89)
    await db`
      insert into matcher_cursors (chain_id, block_number, log_index, event_seq, status_id, finalized_block_number)
      values (${chainId}, 10, ${event.log_index}, 1, 0, 0)`
    expect(await lag()).toBe(0)
    await db`update matcher_cursors set block_number = 9 where chain_id = ${chainId}`
    expect(await lag()).toBeGreaterThan(89)
    await db`
      insert into event_status (event_id, chain_id, block_number, block_time, status, reason)
      values (${event.id}, ${chainId}, 10, ${event.block_time}, 'retracted', 'test')`
    expect(await lag()).toBe(0)
  })

  test('tell how long deliveries waited to be sent, by chain, and what lies in the queues', async () => {
    const [match] = await db<{ id: number }[]>`
      insert into matches (trigger_version, chain_id, occurrence, event_id, block_number, block_time, evidence)
      values (1, ${chainId}, 'o', 'e', 10, now(), '{}') returning id`
    for (const [seconds, state] of [
      [1, 'succeeded'],
      [3, 'failed'],
      [8, 'succeeded'],
    ] as const) {
      await db`
        insert into deliveries (match_id, occurrence, event_id, block_time, action_type, priority, state, chain_id, due_at, started_at, finished_at)
        values (${match?.id ?? 0}, ${`o${seconds}`}, 'e', now(), 'rest', 1, ${state}, ${chainId},
          now() - ${seconds} * interval '1 second', now(), now())`
    }
    const text = await scrape()
    const sent = (quantile: string) =>
      new RegExp(
        `tocsin_chain_sending_lag_seconds{chain_id="${chainId}",.*quantile="${quantile}"} (\\S+)`,
      ).exec(text)?.[1]
    expect([sent('0.5'), sent('1')]).toEqual(['3', '8'])
    expect(text).toContain('tocsin_deliveries{state="failed"} 1')
    for (const queue of ['deliveries', 'files']) {
      for (const state of ['waiting', 'active']) {
        expect(text).toContain(`tocsin_queue_depth{queue="${queue}",state="${state}"} 0`)
      }
    }
  })

  test('tell how long the oldest delivery that is due has waited, with a destination or without', async () => {
    const [destination] = await db<{ id: number }[]>`
      insert into destinations (user_id, action_type, address) values (${userId}, 'rest', 'https://hooks.example')
      returning id`
    const insert = (seconds: number, to: number | null) => db`
      insert into deliveries (occurrence, event_id, block_time, action_type, priority, state, due_at, destination_id)
      values (${`due ${seconds}`}, 'e', now(), 'rest', 1, 'pending', now() - ${seconds} * interval '1 second', ${to})`
    const oldest = async () => Number(/^tocsin_outbox_oldest_seconds (\S+)$/m.exec(await scrape())?.[1])
    expect(await oldest()).toBe(0)
    await insert(-60, null)
    expect(await oldest()).toBe(0)
    await insert(45, null)
    expect(await oldest()).toBeGreaterThanOrEqual(45)
    await insert(90, destination?.id ?? 0)
    expect(await oldest()).toBeGreaterThanOrEqual(90)
  })

  test('have each request by the pattern of its route', async () => {
    const own = make()
    await ask('/v1/triggers/one', {}, own)
    await ask('/v1/triggers/two', {}, own)
    const text = await (await ask('/metrics', {}, own)).text()
    const labels = 'method="GET",route="/v1/triggers/:id",status="4xx"'
    expect(text).toContain(`tocsin_http_request_duration_seconds_count{${labels}} 2`)
  })
})
