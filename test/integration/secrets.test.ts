import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { openHeaders, sealHeader } from '../../src/header-values.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createSecretBox } from '../../src/secret-box.ts'
import { parseSecretKeys } from '../../src/secret-keys.ts'
import { openMcpToken, putMcpToken } from '../../src/store/mcp-tokens.ts'
import { rotateSecrets } from '../../src/store/sealed-places.ts'
import { readSigningSecrets, signingSecretContext } from '../../src/store/signing-secrets.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { runCli } from '../support/run-cli.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const keyText = (id: string, byte: number) => `${id}:${Buffer.alloc(32, byte).toString('base64')}`
const boxOf = (text: string) => createSecretBox(parseSecretKeys(text))
const oldKeys = keyText('old', 1)
const bothKeys = `${keyText('new', 2)},${oldKeys}`
const newKeys = keyText('new', 2)
const url = 'https://a.example/hook'
const place = { chainId: 31337, agentId: '7' }

let database: TestDatabase
let db: Database

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`truncate users, triggers, destinations, agent_mcp_tokens cascade`
})

/** Three actions with a sealed and a plain header each, one destination with a secret, one MCP token: 3 × 2 + 1 + 1 texts. */
async function store(keys: string) {
  const box = boxOf(keys)
  const headers = {
    'X-Sealed': sealHeader(box, { userId: 'test', url, name: 'x-sealed' }, 'geheim-1'),
    'X-Plain': 'geheim-2',
  }
  const config = { url, headers }
  const triggerId = await insertTrigger(db, { actions: [{ config }, { config }, { config }] })
  await readSigningSecrets(db, box, [{ userId: 'test', url }])
  await putMcpToken(db, box, 'test', place, { token: 'geheim-3', endpoint: 'https://agent.example/' })
  return triggerId
}

/** What workers get to see with these keys. */
async function openAll(keys: string, triggerId: string) {
  const box = boxOf(keys)
  const actions = await db<
    { config: { headers: Record<string, string> } }[]
  >`select config from trigger_actions`
  const [signing] = await readSigningSecrets(db, box, [{ userId: 'test', url }])
  const destinationId = signing?.destinationId ?? 0
  return {
    headers: actions.map(({ config }) => openHeaders(box, { userId: 'test', url }, config.headers)),
    signing: signing?.sealed.map(({ secret }) =>
      box.open(secret, signingSecretContext({ userId: 'test', destinationId })),
    ),
    token: (await openMcpToken(db, box, triggerId, place))?.token,
  }
}

describe('rotation of the keys', () => {
  test('leaves every secret as it is, encrypted with the newest key alone; done again, it changes nothing', async () => {
    const triggerId = await store(oldKeys)
    const before = await openAll(oldKeys, triggerId)
    expect(before.headers).toEqual(Array(3).fill({ 'X-Sealed': 'geheim-1', 'X-Plain': 'geheim-2' }))
    expect(before.signing).toEqual([expect.stringMatching(/^whsec_/)])
    expect(before.token).toBe('geheim-3')

    const none = { current: 0, older: 0, plain: 0, rewritten: 0, missed: 0, failed: [] }
    // Batches of two, so that places need several.
    expect(await rotateSecrets(db, boxOf(bothKeys), 'new', { batch: 2 })).toEqual([
      { ...none, place: 'headers', older: 3, plain: 3, rewritten: 6 },
      { ...none, place: 'signing-secrets', older: 1, rewritten: 1 },
      { ...none, place: 'mcp-tokens', older: 1, rewritten: 1 },
      { ...none, place: 'token-keys' },
      { ...none, place: 'idempotency-keys' },
    ])
    expect(await openAll(newKeys, triggerId)).toEqual(before)
    const [plain] = await db`
      select (select count(*) from trigger_actions a where a::text ~ 'geheim|:old:')
        + (select count(*) from destination_secrets s where s::text ~ 'whsec|:old:')
        + (select count(*) from agent_mcp_tokens k where k::text ~ 'geheim|:old:') as count`
    expect(plain?.count).toBe(0)

    const stored = await db`select config from trigger_actions order by id`
    expect(await rotateSecrets(db, boxOf(bothKeys), 'new')).toEqual([
      { ...none, place: 'headers', current: 6 },
      { ...none, place: 'signing-secrets', current: 1 },
      { ...none, place: 'mcp-tokens', current: 1 },
      { ...none, place: 'token-keys' },
      { ...none, place: 'idempotency-keys' },
    ])
    expect(await db`select config from trigger_actions order by id`).toEqual(stored)
  })

  test('keeps what it cannot open as it is, says why, and does the rest', async () => {
    const triggerId = await store(oldKeys)
    await db`update agent_mcp_tokens set token = ${boxOf(keyText('lost', 9)).seal('x', 'y')}`
    const reports = await rotateSecrets(db, boxOf(bothKeys), 'new')
    expect(reports.map(({ rewritten }) => rewritten)).toEqual([6, 1, 0, 0, 0])
    expect(reports[2]?.failed).toEqual([
      { count: 1, reason: expect.stringContaining('with the key lost, which is not among') },
    ])
    const [row] = await db`select token from agent_mcp_tokens`
    expect(row?.token).toMatch(/^sealed:lost:/)
    await expect(openMcpToken(db, boxOf(bothKeys), triggerId, place)).rejects.toThrow('the key lost')
  })

  test('does not bring back a value that somebody changes meanwhile', async () => {
    const triggerId = await store(oldKeys)
    const box = boxOf(bothKeys)
    const { rotation } = await db.begin(async (tx) => {
      await putMcpToken(tx, box, 'test', place, { token: 'newer', endpoint: 'https://agent.example/' })
      const rotation = rotateSecrets(db, box, 'new')
      // It has read the row as it was, and waits to write it.
      await until('the rotation waits', async () => {
        const waiting = await db`
          select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and query like '%update agent_mcp_tokens%'`
        return waiting.length > 0
      })
      return { rotation }
    })
    expect((await rotation)[2]).toMatchObject({ place: 'mcp-tokens', older: 1, rewritten: 0, missed: 1 })
    expect((await openMcpToken(db, box, triggerId, place))?.token).toBe('newer')
  })
})

describe('a stored secret', () => {
  test('does not open in the row of another user, nor for another URL', async () => {
    await store(oldKeys)
    const [row] = await db<
      { config: { headers: Record<string, string> } }[]
    >`select config from trigger_actions`
    const headers = row?.config.headers ?? {}
    const box = boxOf(oldKeys)
    expect(() => openHeaders(box, { userId: 'thief', url }, headers)).toThrow('headers.X-Sealed')
    expect(() => openHeaders(box, { userId: 'test', url: 'https://evil.example/' }, headers)).toThrow(
      'headers.X-Sealed',
    )
    expect(() => openHeaders(box, { userId: 'test', url }, { Other: headers['X-Sealed'] ?? '' })).toThrow(
      'headers.Other',
    )
  })
})

describe('the command line', () => {
  let home: string
  const run = (keys: string, ...args: string[]) =>
    runCli(args, { DATABASE_URL: database.url, TOCSIN_HOME: home, TOCSIN_SECRET_KEYS: keys })

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'tocsin-secrets-'))
  })
  afterAll(() => rm(home, { recursive: true, force: true }))

  test('doctor says whether all can be opened, and rotate mends what can be mended', async () => {
    await store(oldKeys)
    const secretsOf = async (keys: string) => {
      const { stdout } = await run(keys, 'doctor', '--json')
      return JSON.parse(stdout).filter(({ check }: { check: string }) => check === 'secrets')
    }
    expect(await secretsOf(newKeys)).toEqual(
      ['3 stored headers', '1 stored signing-secrets', '1 stored mcp-tokens'].map((found) => ({
        check: 'secrets',
        level: 'problem',
        found: expect.stringMatching(new RegExp(`^${found} cannot be opened.*the key old, which`)),
        advice: expect.any(String),
      })),
    )
    expect(await secretsOf(bothKeys)).toMatchObject([
      {
        level: 'warning',
        found: expect.stringContaining('5 are encrypted with an older key, and 3 not at all'),
      },
    ])

    const broken = await run(newKeys, 'secrets', 'rotate')
    expect(broken.code).toBe(1)
    expect(broken.stdout).toContain('could not be opened')

    const { code, stdout } = await run(bothKeys, 'secrets', 'rotate', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ key_id: 'new', rewritten: 5 })
    expect(stdout + broken.stdout + broken.stderr).not.toMatch(/geheim|whsec/)
    const again = await run(bothKeys, 'secrets', 'rotate')
    expect(again.code).toBe(0)
    expect(again.stdout).toContain('Everything is encrypted with the key new.')
    expect(await secretsOf(newKeys)).toEqual([
      { check: 'secrets', level: 'ok', found: '8 stored, all can be opened' },
    ])
  })

  test('destinations are listed, shown and reset', async () => {
    await store(bothKeys)
    await db`update destinations set breaker = 'open', failures = 5, last_error = 'HTTP 503', probe_at = now()`
    const [row] = await db`select id from destinations`
    const list = await run(bothKeys, 'destinations', 'list', '--breaker', 'open')
    expect(list.stdout).toMatch(new RegExp(`${row?.id} +rest +open +${url} +HTTP 503`))
    const show = await run(bothKeys, 'destinations', 'show', String(row?.id))
    expect(show.stdout).toMatch(/failures in a row +5/)
    const reset = await run(bothKeys, 'destinations', 'reset', String(row?.id), '--json')
    expect(JSON.parse(reset.stdout)).toMatchObject({ id: row?.id, breaker: 'closed', failures: 0 })
    const none = await run(bothKeys, 'destinations', 'list', '--breaker', 'open', '--json')
    expect(JSON.parse(none.stdout)).toEqual([])
    const unknown = await run(bothKeys, 'destinations', 'show', '99999')
    expect([unknown.code, unknown.stderr]).toEqual([2, 'There is no destination with the id 99999.\n'])
  })
})
