import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const token = 'a-token-for-tests'
const log = createLog({ level: 'silent', format: 'json' }, 'test')

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any

let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>
let otherUserId: string
let userId: string

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  userId = await ensureUser(db, 'bootstrap')
  otherUserId = await ensureUser(db, 'other')
  app = createApp({ db, log, secrets: testSecrets, token, userId })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`truncate triggers, destinations, deliveries, alerts cascade`
})

async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: Body }> {
  const response = await app.request(path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

const rest = (url: string) => ({ action_type: 'rest', config: { url } })
const document = (actions: object[]) => ({
  name: 'Low scores',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [],
  actions,
})

async function create(...actions: object[]): Promise<Body> {
  const { status, body } = await ask('POST', '/v1/triggers', document(actions))
  expect(status, JSON.stringify(body)).toBe(201)
  return body
}

async function createDestination(url = 'https://a.example/hook'): Promise<{ id: number; secret: string }> {
  const { actions } = await create(rest(url))
  return { id: actions[0].destination_id, secret: actions[0].signing_secret }
}

describe('a signing secret', () => {
  const secret = expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/)

  test('is shown once: with the first rest action to a destination, and in no answer after that', async () => {
    const telegram = { action_type: 'telegram', config: { chat_id: '1' } }
    const first = await create(rest('https://a.example/hook'), telegram, rest('https://a.example/other'))
    expect(first.actions[0].signing_secret).toEqual(secret)
    expect(first.actions[1].signing_secret).toBeUndefined()
    expect(first.actions[2].signing_secret).toEqual(secret)
    expect(first.actions[0].signing_secret).not.toBe(first.actions[2].signing_secret)

    // The same destination: its query makes no difference.
    const second = await create(rest('https://a.example/hook?x=1'), rest('https://b.example/'))
    expect(second.actions[0].destination_id).toBe(first.actions[0].destination_id)
    expect(second.actions[0].signing_secret).toBeUndefined()
    expect(second.actions[1].signing_secret).toEqual(secret)

    const moved = await ask(
      'PUT',
      `/v1/triggers/${second.id}`,
      document([rest('https://a.example/hook'), rest('https://c.example/')]),
    )
    expect(moved.body.actions.map((action: Body) => action.signing_secret)).toEqual([undefined, secret])

    const { id } = first
    const answers = [`/v1/triggers/${id}`, '/v1/triggers', '/v1/destinations', '/v1/deliveries', '/v1/alerts']
    for (const path of answers) {
      const { status, body } = await ask('GET', path)
      expect(status).toBe(200)
      expect(JSON.stringify(body)).not.toContain('whsec_')
    }
  })

  test('is one secret, and shown to one, when two triggers name a new destination at the same time', async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => create(rest('https://a.example/hook'))))
    expect(made.filter(({ actions }) => actions[0].signing_secret !== undefined)).toHaveLength(1)
    expect(await db`select from destination_secrets`).toHaveLength(1)
  })

  test('is not in the database in plain text, and does not open for another destination or user', async () => {
    const { id, secret } = await createDestination()
    const other = await createDestination('https://b.example/')
    const [row] = await db`select * from destination_secrets where destination_id = ${id}`
    expect(JSON.stringify(row)).not.toContain(secret.slice(6))
    expect(testSecrets.open(row?.secret, `signing-secret:${userId}:${id}`)).toBe(secret)
    expect(() => testSecrets.open(row?.secret, `signing-secret:${userId}:${other.id}`)).toThrow(/decrypted/)
    expect(() => testSecrets.open(row?.secret, `signing-secret:${otherUserId}:${id}`)).toThrow(/decrypted/)
    await expect(db`update destination_secrets set secret = ${secret}`).rejects.toThrow(/check constraint/)
  })

  test('is rotated: the new one is shown once, the old one has an end', async () => {
    const { id, secret: old } = await createDestination()
    const revision = async () => (await db`select secrets_revision from destinations where id = ${id}`)[0]
    const before = await revision()
    const { status, body } = await ask('POST', `/v1/destinations/${id}/secret/rotate`)
    expect(status, JSON.stringify(body)).toBe(200)
    expect(body.signing_secret).toEqual(secret)
    expect(body.signing_secret).not.toBe(old)
    const overlapMs = Date.parse(body.previous_expires_at) - Date.now()
    expect(overlapMs).toBeGreaterThan(86_300_000)
    expect(overlapMs).toBeLessThan(86_500_000)
    expect(await revision()).not.toEqual(before)
    const { signing_secrets } = (await ask('GET', `/v1/destinations/${id}`)).body
    expect(signing_secrets).toHaveLength(2)
    expect(signing_secrets[0].expires_at).toBeNull()
    expect(Date.parse(signing_secrets[1].expires_at)).toBe(Date.parse(body.previous_expires_at))

    const now = await ask('POST', `/v1/destinations/${id}/secret/rotate`, { overlap: '0' })
    expect(now.body).toEqual({ signing_secret: secret, previous_expires_at: null })
    expect((await ask('GET', `/v1/destinations/${id}`)).body.signing_secrets).toHaveLength(1)
  })

  test('is not rotated so often that requests carry ever more signatures', async () => {
    const { id } = await createDestination()
    for (let count = 0; count < 4; count++) {
      expect((await ask('POST', `/v1/destinations/${id}/secret/rotate`)).status).toBe(200)
    }
    const refused = await ask('POST', `/v1/destinations/${id}/secret/rotate`)
    expect(refused.status).toBe(409)
    expect(refused.body.detail).toContain('rotate with the overlap "0"')
    expect(await db`select from destination_secrets`).toHaveLength(5)
    expect((await ask('POST', `/v1/destinations/${id}/secret/rotate`, { overlap: '0' })).status).toBe(200)
    expect(await db`select from destination_secrets`).toHaveLength(1)
  })

  test.each([{ overlap: '25h' }, { overlap: 0 }, { overlap: 'x' }, { overlaps: '1h' }, []])(
    'is not rotated by %j',
    async (body) => {
      const { id } = await createDestination()
      expect((await ask('POST', `/v1/destinations/${id}/secret/rotate`, body)).status).toBe(400)
    },
  )

  test('belongs to webhooks only', async () => {
    const { actions } = await create({ action_type: 'telegram', config: { chat_id: '1' } })
    const { status, body } = await ask('POST', `/v1/destinations/${actions[0].destination_id}/secret/rotate`)
    expect(status).toBe(409)
    expect(body.detail).toContain('type telegram')
  })
})

describe('destinations', () => {
  test('are listed page by page, narrowed, and read with all that is known', async () => {
    for (let number = 0; number < 5; number++) await createDestination(`https://h${number}.example:8443/x`)
    await create({ action_type: 'telegram', config: { chat_id: '-100123' } })
    await db`update destinations set breaker = 'open' where address like '%h3%'`
    const pages: Body[] = []
    let cursor = ''
    do {
      const { body } = await ask('GET', `/v1/destinations?limit=2${cursor}`)
      pages.push(...body.data)
      cursor = body.next_cursor === null ? '' : `&cursor=${body.next_cursor}`
    } while (cursor !== '')
    expect(pages.map(({ host, address }) => host ?? address)).toEqual([
      '-100123',
      ...['h4', 'h3', 'h2', 'h1', 'h0'].map((name) => `${name}.example:8443`),
    ])
    expect((await ask('GET', '/v1/destinations?breaker=open')).body.data).toHaveLength(1)
    expect((await ask('GET', '/v1/destinations?action_type=telegram')).body.data).toHaveLength(1)
    expect((await ask('GET', '/v1/destinations?disabled=true')).body.data).toEqual([])
    expect((await ask('GET', `/v1/destinations/${pages[2].id}`)).body).toEqual(pages[2])
    expect(pages[2]).toEqual({
      id: expect.any(Number),
      action_type: 'rest',
      address: 'https://h3.example:8443/x',
      host: 'h3.example:8443',
      breaker: 'open',
      failures: 0,
      times_opened: 0,
      opened_at: null,
      probe_at: null,
      last_error: null,
      in_flight_max: 20,
      per_second_max: null,
      disabled_at: null,
      disabled_reason: null,
      signing_secrets: [{ created_at: expect.any(String), expires_at: null }],
      created_at: expect.any(String),
      updated_at: expect.any(String),
    })
  })

  test('have limits that can be changed one by one', async () => {
    const { id } = await createDestination()
    const limits = async (body: unknown) => {
      const { status, body: changed } = await ask('PATCH', `/v1/destinations/${id}`, body)
      expect(status, JSON.stringify(changed)).toBe(200)
      return [changed.in_flight_max, changed.per_second_max]
    }
    expect(await limits({ per_second_max: 0.5 })).toEqual([20, 0.5])
    expect(await limits({ in_flight_max: 1000 })).toEqual([1000, 0.5])
    expect(await limits({ in_flight_max: 1, per_second_max: null })).toEqual([1, null])
    for (const wrong of [
      {},
      { in_flight_max: 0 },
      { in_flight_max: 1001 },
      { in_flight_max: null },
      { per_second_max: 0 },
      { per_second_max: '1' },
      { breaker: 'closed' },
    ]) {
      expect((await ask('PATCH', `/v1/destinations/${id}`, wrong)).status, JSON.stringify(wrong)).toBe(400)
    }
  })

  test('are used again after a reset: the breaker closes, alerts are resolved, and the relay wakes', async () => {
    const { id } = await createDestination()
    const other = await createDestination('https://b.example/')
    await db`
      update destinations set breaker = 'open', failures = 7, times_opened = 3, opened_at = now(), probe_at = now() + interval '1 hour',
        next_at = now() + interval '1 hour', disabled_at = now(), disabled_reason = 'HTTP 410', last_error = 'HTTP 503'`
    for (const destination of [id, other.id]) {
      await db`insert into alerts (user_id, kind, destination_id, message) values (${userId}, 'breaker_open', ${destination}, 'm')`
    }
    let woken = 0
    const { unlisten } = await db.listen('delivery_pending', () => {
      woken += 1
    })
    const { status, body } = await ask('POST', `/v1/destinations/${id}/reset`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      breaker: 'closed',
      failures: 0,
      times_opened: 0,
      opened_at: null,
      probe_at: null,
      disabled_at: null,
      disabled_reason: null,
      last_error: 'HTTP 503',
    })
    await until('the relay is woken', async () => woken === 1)
    await unlisten()
    const alerts = async (query: string) =>
      (await ask('GET', `/v1/alerts${query}`)).body.data.map((row: Body) => row.destination_id)
    expect(await alerts('?open=true')).toEqual([other.id])
    expect(await alerts('?open=false')).toEqual([id])
    expect(await alerts('')).toEqual([other.id, id])
    expect((await ask('GET', `/v1/destinations/${other.id}`)).body.breaker).toBe('open')
  })

  test('and alerts of other users are not there', async () => {
    const [row] = await db`
      insert into destinations (user_id, action_type, address) values (${otherUserId}, 'rest', 'https://a.example/') returning id`
    await db`insert into alerts (user_id, kind, message) values (${otherUserId}, 'breaker_open', 'm')`
    const id = row?.id
    expect((await ask('GET', '/v1/destinations')).body.data).toEqual([])
    expect((await ask('GET', '/v1/alerts')).body.data).toEqual([])
    for (const [method, path, body] of [
      ['GET', `/v1/destinations/${id}`],
      ['PATCH', `/v1/destinations/${id}`, { in_flight_max: 5 }],
      ['POST', `/v1/destinations/${id}/reset`],
      ['POST', `/v1/destinations/${id}/secret/rotate`],
      ['GET', '/v1/destinations/0'],
      ['GET', '/v1/destinations/99999999999999999999'],
      ['GET', '/v1/destinations/x'],
    ] as const) {
      expect((await ask(method, path, body)).status, path).toBe(404)
    }
    expect((await db`select in_flight_max from destinations where id = ${id}`)[0]?.in_flight_max).toBe(20)
  })
})

describe('header values', () => {
  const marker = randomBytes(12).toString('hex')

  test('are not in the database in plain text, however a trigger is written', async () => {
    const action = {
      action_type: 'rest',
      config: { url: 'https://a.example/', headers: { 'X-Key': marker } },
    }
    const made = await create(action)
    const changed = await ask('PUT', `/v1/triggers/${made.id}`, document([action, action]))
    expect(changed.status).toBe(200)
    const [found] =
      await db`select count(*) as count from trigger_actions where config::text like ${`%${marker}%`}`
    expect(found?.count).toBe(0)
  })

  test('are asked for anew when the URL moves to another origin, so that nobody gets to see them there', async () => {
    const headers = { Authorization: `Bearer ${marker}` }
    const made = await create({ action_type: 'rest', config: { url: 'https://a.example/', headers } })
    const move = (url: string) => {
      const [action] = made.actions
      const moved = { ...action, config: { ...action.config, url } }
      return ask('PUT', `/v1/triggers/${made.id}`, { ...made, actions: [moved] })
    }
    expect((await move('https://a.example/elsewhere')).status).toBe(200)
    const { status, body } = await move('https://evil.example/')
    expect(status).toBe(400)
    expect(body.errors).toEqual([
      {
        path: 'actions[0].config.headers.Authorization',
        message:
          '*** keeps a stored value, which was stored for https://a.example and is not sent to https://evil.example: expected the value',
      },
    ])
  })
})
