import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type RestActionConfig, restConfigSchema } from '../../src/actions/rest.ts'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { buildDeliveryScope, type DeliveryScope } from '../../src/delivery-scope.ts'
import { GoneError, PermanentError, RetryableError } from '../../src/errors.ts'
import { type EventType, eventTypes, registries } from '../../src/event.ts'
import { sealHeader } from '../../src/header-values.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import { sampleEvent } from '../../src/sample-events.ts'
import { readEvents } from '../../src/store/delivering.ts'
import { rotateSigningSecret } from '../../src/store/signing-secrets.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { runRest } from '../../worker/actions/rest.ts'
import { createHttpClient, type HttpClient } from '../../worker/http.ts'
import { createWebhookSigner, type WebhookSigner } from '../../worker/webhook-signer.ts'
import { insertEvents } from '../support/insert-events.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { type Received, startReceiver } from '../support/receiver.ts'
import { startCli } from '../support/run-cli.ts'
import { testSecretKeys, testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const userId = 'test'
const deliveryId = '8a1f4b1e-6a39-4a2a-9f0e-0d5f1f6f2a11'
const parts = {
  event: sampleEvent('NewFeedback', { tag1: 'a\r\nX-Evil: 1', tag2: 'ü&x=1 /?#' }),
  trigger: { id: 't', name: 'n', version: 1 },
  evidence: [],
  delivery: { id: deliveryId, attempt: 1, kind: 'match' },
} as const
const scope: DeliveryScope = buildDeliveryScope(parts)

let database: TestDatabase
let db: Database
let receiver: Awaited<ReturnType<typeof startReceiver>>
let http: HttpClient
let sign: WebhookSigner
let queries = 0

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  receiver = await startReceiver()
  http = createHttpClient({ allow: parseCidrs('127.0.0.0/8'), deny: [] })
  sign = createWebhookSigner(countingQueries(db), testSecrets)
})
afterAll(async () => {
  await receiver?.close()
  await http?.close()
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`truncate triggers, destinations, deliveries, events, event_status cascade`
  receiver.answerWith((_, response) => void response.writeHead(204).end())
})

function countingQueries(to: Database): Database {
  return new Proxy(to, {
    get: (target, name) => {
      if (name === 'unsafe') queries += 1
      return Reflect.get(target, name)
    },
  })
}

/** Stores the action as users' own SQL would, and returns its configuration and destination. */
async function store(config: Record<string, unknown> = {}) {
  const full = restConfigSchema.parse({ url: `${receiver.url}/hook`, ...config })
  await insertTrigger(db, { actions: [{ config: full }] })
  const [row] = await db<{ id: number; secrets_revision: number }[]>`
    select x.id, x.secrets_revision from trigger_actions a join destinations x on x.id = a.destination_id order by a.id desc limit 1`
  if (row === undefined) throw new Error('no destination')
  return { config: full, id: row.id }
}

const send = (
  config: RestActionConfig,
  sender: { destination_id?: number; secrets_revision?: number } = {},
) =>
  runRest(config, scope, { http, secrets: testSecrets, sign }, new AbortController().signal, {
    user_id: userId,
    destination_id: null,
    ...sender,
  })

/** The newest secret of a destination, as its owner was shown it. */
async function secretOf(id: number): Promise<string> {
  const [row] =
    await db`select secret from destination_secrets where destination_id = ${id} and expires_at is null`
  return testSecrets.open(row?.secret, `signing-secret:${userId}:${id}`)
}

function lastRequest(): Received {
  const request = receiver.received.at(-1)
  if (request === undefined) throw new Error('nothing was received')
  return request
}

/** Whether the receiver, who has this secret, accepts the request. */
function verifies(secret: string, { headers, body }: Received): boolean {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>)
    return true
  } catch {
    return false
  }
}

const rotate = async (id: number, overlapMs: number) => {
  const rotated = await rotateSigningSecret(db, testSecrets, { id, overlapMs })
  if (rotated === undefined || 'refused' in rotated) throw new Error('not rotated')
  return rotated.signing_secret
}

describe('a signature', () => {
  test('is what the standardwebhooks library expects, for every method, with the delivery as its id', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET']) {
      const { config, id } = await store({ method, url: `${receiver.url}/${method}?own=1` })
      expect((await send(config)).error).toBeUndefined()
      const request = lastRequest()
      expect(request.method).toBe(method)
      expect(request.body === '').toBe(method === 'GET')
      expect(request.headers['webhook-id']).toBe(deliveryId)
      const secret = await secretOf(id)
      expect(verifies(secret, request)).toBe(true)
      expect(verifies(secret, { ...request, body: `${request.body} ` })).toBe(false)
      expect(verifies(secret, { ...request, headers: { ...request.headers, 'webhook-id': 'x' } })).toBe(false)
    }
    const { config, id } = await store({ body_template: 'Ünïcödé 🦺 {{ event.agent_id }}' })
    await send(config)
    // Not JSON: the library would parse it after it has verified it.
    const { headers, body } = lastRequest()
    new Webhook(await secretOf(id)).verify(body, headers as Record<string, string>, { jsonParse: false })
  })

  test('is made with a secret of its own for each destination', async () => {
    const first = await store({ url: `${receiver.url}/first` })
    const second = await store({ url: `${receiver.url}/second` })
    await send(first.config)
    expect(verifies(await secretOf(first.id), lastRequest())).toBe(true)
    await send(second.config)
    expect(verifies(await secretOf(first.id), lastRequest())).toBe(false)
    expect(verifies(await secretOf(second.id), lastRequest())).toBe(true)
  })

  test('is there from the first request on, though nobody made a secret: one is made, whoever sends first', async () => {
    const { config, id } = await store()
    const other = createWebhookSigner(db, testSecrets)
    const webhook = { userId, url: config.url, webhookId: 'x', body: '{}' }
    const signed = await Promise.all([...Array(10)].map((_, index) => (index % 2 ? sign : other)(webhook)))
    const secret = await secretOf(id)
    for (const headers of signed) new Webhook(secret).verify('{}', headers)
    expect(await db`select from destination_secrets`).toHaveLength(1)
  })

  test('verifies with both secrets while they overlap, and with the new one alone after that', async () => {
    const { config, id } = await store()
    await send(config)
    const old = await secretOf(id)
    const fresh = await rotate(id, 1_000)
    await send(config)
    expect(String(lastRequest().headers['webhook-signature']).split(' ')).toHaveLength(2)
    expect(verifies(old, lastRequest())).toBe(true)
    expect(verifies(fresh, lastRequest())).toBe(true)

    await until('the old one has expired', async () => {
      await send(config)
      return !verifies(old, lastRequest())
    })
    expect(verifies(fresh, lastRequest())).toBe(true)
    expect(String(lastRequest().headers['webhook-signature']).split(' ')).toHaveLength(1)

    const atOnce = await rotate(id, 0)
    await send(config)
    expect(verifies(fresh, lastRequest())).toBe(false)
    expect(verifies(atOnce, lastRequest())).toBe(true)
  })

  test('costs no query while the revision of the claim is known, and follows it at once', async () => {
    const { config, id } = await store()
    const claim = async () => {
      const [row] = await db`select secrets_revision from destinations where id = ${id}`
      return { destination_id: id, secrets_revision: row?.secrets_revision as number }
    }
    await send(config, await claim())
    const current = await claim()
    queries = 0
    for (let count = 0; count < 20; count++) await send(config, current)
    expect(queries).toBe(0)
    const fresh = await rotate(id, 0)
    await send(config, await claim())
    expect(verifies(fresh, lastRequest())).toBe(true)
    expect(queries).toBe(1)
    // An overlap ends although nothing is read.
    const old = await secretOf(id)
    await rotate(id, 1_000)
    const during = await claim()
    await until('the old one has expired', async () => {
      await send(config, during)
      return !verifies(old, lastRequest())
    })
    expect(queries).toBe(2)
  })

  test('shares one query with all that are made at the same time', async () => {
    const stored = await Promise.all(
      [...Array(50)].map((_, index) => store({ url: `${receiver.url}/${index}` })),
    )
    for (const { config } of stored) await send(config)
    queries = 0
    await Promise.all(stored.map(({ config }) => send(config)))
    expect(queries).toBeLessThan(10)
  })

  test('is never left out: without the key of its secret nothing is sent, and the error names the key', async () => {
    const { config, id } = await store()
    const sealed = testSecrets.seal('whsec_x', `signing-secret:${userId}:${id}`).replace(':test:', ':lost:')
    await db`insert into destination_secrets (destination_id, secret) values (${id}, ${sealed})`
    await expect(send(config)).rejects.toThrow('the key lost')
    // Another destination of the same batch is not held up.
    const other = await store({ url: `${receiver.url}/other` })
    const [failed, sent] = await Promise.allSettled([send(config), send(other.config)])
    expect([failed?.status, sent?.status]).toEqual(['rejected', 'fulfilled'])
    await expect(send({ ...config, url: `${receiver.url}/unknown` })).rejects.toThrow(RetryableError)
    expect(receiver.received).toHaveLength(1)
  })

  test('takes little time', { retry: 2 }, async () => {
    const { config } = await store()
    const body = 'x'.repeat(1_500)
    const webhook = {
      userId,
      url: config.url,
      webhookId: deliveryId,
      body,
      destinationId: 0,
      secretsRevision: 0,
    }
    const { id } = (await db`select id from destinations`)[0] ?? {}
    await sign({ ...webhook, destinationId: id })
    const startedAt = performance.now()
    for (let count = 0; count < 10_000; count++) await sign({ ...webhook, destinationId: id })
    // Some 150 ms on an idle machine; the limit is what 1,500 deliveries a second leave for it on a busy one.
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })
})

describe('a request', () => {
  test('has headers and a query that templates make, added to what the URL has', async () => {
    const { config } = await store({
      url: `${receiver.url}/hook?own=a%20b&flag`,
      headers: { 'X-Agent': 'agent-{{ event.agent_id }}', 'X-Plain': 'a { b' },
      query: { tag: '{{ event.tag2 }}', 'a&b': 'c=d', score: '{{ event.score }}' },
    })
    await send(config)
    const { path, headers } = lastRequest()
    expect(path).toBe('/hook?own=a%20b&flag&tag=%C3%BC%26x%3D1+%2F%3F%23&a%26b=c%3Dd&score=70.5')
    expect([...new URL(path, receiver.url).searchParams]).toEqual([
      ['own', 'a b'],
      ['flag', ''],
      ['tag', 'ü&x=1 /?#'],
      ['a&b', 'c=d'],
      ['score', '70.5'],
    ])
    expect(headers).toMatchObject({ 'x-agent': 'agent-7', 'x-plain': 'a { b' })
  })

  test('is not sent when a header would become more than one line of ASCII; the error names it and not its value', async () => {
    for (const value of ['{{ event.tag1 }}', 'geheim {{ event.tag2 }}']) {
      const { config } = await store({ headers: { 'X-Tag': value } })
      const error = await send(config).catch((reason) => reason)
      expect(error).toBeInstanceOf(PermanentError)
      expect(error.message).toBe(
        'headers.X-Tag: expected a text of at most 8192 characters of ASCII in one line',
      )
    }
    const { config } = await store({
      query: { text: '{% for i in (1..5000) %}{{ event.tag2 }}{% endfor %}' },
    })
    await expect(send(config)).rejects.toThrow('the URL with its query has more than 16384 characters')
    expect(receiver.received).toEqual([])
  })

  test('carries the headers that were stored encrypted, and its content type decides how a text is escaped', async () => {
    const url = `${receiver.url}/hook`
    const seal = (name: string, value: string) => sealHeader(testSecrets, { userId, url, name }, value)
    const { config } = await store({
      headers: {
        Authorization: seal('authorization', 'Bearer {{ event.agent_id }}-geheim'),
        'content-type': seal('Content-Type', 'text/plain'),
      },
      body_template: 'It said: {{ event.tag1 }}',
    })
    await send(config)
    expect(lastRequest().headers).toMatchObject({
      authorization: 'Bearer 7-geheim',
      'content-type': 'text/plain',
    })
    expect(lastRequest().body).toBe('It said: a\r\nX-Evil: 1')
  })

  test.each([
    [410, {}, GoneError, undefined],
    [404, {}, PermanentError, undefined],
    [301, { location: '/elsewhere' }, PermanentError, undefined],
    [503, { 'retry-after': '7' }, RetryableError, 7_000],
    [503, { 'retry-after': '0' }, RetryableError, undefined],
    [503, { 'retry-after': 'soon' }, RetryableError, undefined],
    [
      429,
      { date: 'Sat, 21 Nov 2020 06:00:00 GMT', 'retry-after': 'Sat, 21 Nov 2020 06:02:00 GMT' },
      RetryableError,
      120_000,
    ],
    [
      429,
      { date: 'Sat, 21 Nov 2020 06:00:00 GMT', 'retry-after': 'Sat, 21 Nov 2020 05:00:00 GMT' },
      RetryableError,
      undefined,
    ],
  ] as const)(
    'that is answered with %i %j ends in %o after %s ms',
    async (status, headers, type, retryAfterMs) => {
      receiver.answerWith((_, response) => void response.writeHead(status, headers).end())
      const { config } = await store()
      const { error } = await send(config)
      expect(error?.constructor).toBe(type)
      expect((error as RetryableError).retryAfterMs).toBe(retryAfterMs)
    },
  )
})

test('the schema in docs holds for every event type as it comes from the database', async () => {
  const path = new URL('../../docs/webhook-payload.schema.json', import.meta.url)
  const ajv = new Ajv2020({ strictTypes: false, strictRequired: false })
  const validate = ajv.compile(JSON.parse(readFileSync(path, 'utf8')))
  const types = registries.flatMap((registry): readonly EventType[] => eventTypes[registry])
  const samples = types.map((type, index) =>
    sampleEvent(type, {
      id: `31337-12-${index}-cdcdcdcdcdcdcdcd`,
      log_index: index,
      occurrence: `o-${index}`,
    }),
  )
  await insertEvents(db, samples, { chainId: 31337, lastBlock: 12 })
  const times = samples.map(({ block_time }) => block_time.toISOString())
  const events = await readEvents(db, [samples.map(({ id }) => id), times])
  expect(events).toHaveLength(9)
  const { config } = await store()
  for (const event of events) {
    const about = buildDeliveryScope({ ...parts, event })
    const { signal } = new AbortController()
    const sender = { user_id: userId, destination_id: null }
    await runRest(config, about, { http, secrets: testSecrets, sign }, signal, sender)
    expect([validate(JSON.parse(lastRequest().body)), validate.errors]).toEqual([true, null])
  }
})

describe('the examples of docs/webhooks.md', () => {
  const page = readFileSync(new URL('../../docs/webhooks.md', import.meta.url), 'utf8')
  const codeIn = (language: string) =>
    new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'ms').exec(page)?.[1] ??
    expect.fail(`no example in ${language}`)
  const hasPython = spawnSync('python3', ['-c', 'import hmac']).status === 0
  if (!hasPython) console.log('No python3: its example is not run.')

  test.each([
    ['js', [process.execPath, '--input-type=module', '--eval']],
    ...(hasPython ? [['python', ['python3', '-c']] as const] : []),
  ] as const)(
    'in %s accept what is genuine, once, and nothing else',
    async (language, [program, ...options]) => {
      const { config, id } = await store()
      await send(config)
      const example = spawn(program, [...options, codeIn(language)], {
        env: { PATH: process.env.PATH, PORT: '0', SIGNING_SECRET: await secretOf(id) },
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      let output = ''
      example.stdout.on('data', (chunk) => {
        output += chunk
      })
      try {
        const port = await until('it listens', async () => /port (\d+)/.exec(output)?.[1])
        const post = async ({ headers, body }: Received, changes: Record<string, string> = {}) => {
          const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'content-type']
          const kept = Object.fromEntries(names.map((name) => [name, String(headers[name])]))
          const answer = await fetch(`http://127.0.0.1:${port}/`, {
            method: 'POST',
            headers: { ...kept, ...changes },
            body,
          })
          return answer.status
        }
        const request = lastRequest()
        expect(await post(request)).toBe(204)
        expect(await post(request)).toBe(204)
        expect(await post({ ...request, body: request.body.replace('70.5', '99.9') })).toBe(401)
        expect(await post(request, { 'webhook-id': 'x' })).toBe(401)
        expect(await post(request, { 'webhook-timestamp': '1600000000' })).toBe(401)
        expect(await post(request, { 'webhook-signature': '' })).toBe(401)
        await rotate(id, 60_000)
        await send(config)
        expect(await post(lastRequest())).toBe(204)
        await until('it says so', async () => output.includes('NewFeedback of agent 7'))
        expect(output.match(/of agent/g)).toHaveLength(1)
      } finally {
        const exited = once(example, 'exit')
        example.kill()
        await exited
      }
    },
  )
})

describe('secrets', () => {
  const planted = ['geheim-kopf-1', 'geheim-kopf-2', 'whsec_']

  test('appear in no log, no answer of the API and no row, also when a receiver repeats them', async () => {
    const home = mkdtempSync(join(tmpdir(), 'tocsin-webhooks-'))
    const lines: string[] = []
    const write = (bindings: unknown, message: string) => void lines.push(JSON.stringify(bindings) + message)
    const log = { child: () => log, debug: write, info: write, warn: write, error: write }
    const token = 'a-token-for-tests'
    const app = createApp({ db, log, secrets: testSecrets, token, userId: await ensureUser(db, 'bootstrap') })
    const ask = async (method: string, path: string, body?: unknown) => {
      const response = await app.request(path, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return response.text()
    }
    receiver.answerWith((request, response) =>
      response.writeHead(request.path === '/ok' ? 200 : 400).end(JSON.stringify(request.headers)),
    )
    const headers = { Authorization: `Bearer ${planted[0]}`, 'X-Key': `${planted[1]}{{ event.score }}` }
    const action = (path: string) => ({
      action_type: 'rest',
      config: { url: `${receiver.url}${path}`, headers, max_attempts: 1 },
    })
    const worker = startCli(['worker'], {
      DATABASE_URL: database.url,
      TOCSIN_HOME: home,
      TOCSIN_SECRET_KEYS: testSecretKeys,
      TOCSIN_LOG_LEVEL: 'trace',
      TOCSIN_LOG_FORMAT: 'json',
      OUTBOUND_ALLOW: '127.0.0.0/8',
    })
    try {
      const made = JSON.parse(
        await ask('POST', '/v1/triggers', {
          name: 'Planted',
          chain_id: 31337,
          registry: 'reputation',
          conditions: [],
          actions: [action('/ok'), action('/refuses'), action('/template')],
        }),
      )
      const secrets: string[] = made.actions.map((one: { signing_secret: string }) =>
        one.signing_secret.slice(6),
      )
      expect(secrets).toHaveLength(3)
      const answers = [await ask('POST', `/v1/triggers/${made.id}/test?wait=30`, {})]
      expect(JSON.parse(answers[0] ?? '').deliveries.map(({ state }: { state: string }) => state)).toEqual([
        'succeeded',
        'failed',
        'failed',
      ])
      expect(receiver.received).toHaveLength(3)
      expect(lastRequest().headers.authorization).toContain(planted[0])
      for (const path of ['triggers', 'deliveries', 'results', 'destinations', 'alerts', 'mcp-tokens']) {
        answers.push(await ask('GET', `/v1/${path}`))
      }
      const tables = await db<{ name: string }[]>`
        select tablename as name from pg_tables where schemaname = 'public' and tablename not like 'tocsin_%'`
      expect(tables.map(({ name }) => name)).toContain('action_results')
      const rows: string[] = []
      for (const { name } of tables) {
        rows.push(...(await db`select t::text as row from ${db(name)} t`).map(({ row }) => String(row)))
      }
      worker.child.kill('SIGTERM')
      await once(worker.child, 'close')
      const { stdout, stderr } = worker.output
      expect(stderr).toContain('delivered')
      for (const secret of [...planted, ...secrets]) {
        for (const text of [...answers, ...rows, ...lines, stdout, stderr]) expect(text).not.toContain(secret)
      }
    } finally {
      worker.child.kill('SIGKILL')
      rmSync(home, { recursive: true, force: true })
    }
  })
})
