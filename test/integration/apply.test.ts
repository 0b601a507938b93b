import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { createApp } from '../../src/api/app.ts'
import { type Listening, listen } from '../../src/api/listen.ts'
import { type ApiClient, answerOf, createClient } from '../../src/client/client.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { runCli } from '../support/run-cli.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const token = 'the-token-of-the-installation'

let database: TestDatabase
let db: Database
let api: Listening
let client: ApiClient
let folder: string

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'apply test' })
  const app = createApp({
    db,
    log: createLog({ level: 'silent', format: 'json' }, 'test'),
    secrets: testSecrets,
    token,
    userId: await ensureUser(db, 'bootstrap'),
  })
  api = await listen(app, { host: '127.0.0.1', port: 0 })
  client = createClient({ baseUrl: api.url, token })
  folder = mkdtempSync(join(tmpdir(), 'tocsin-apply-'))
})

afterAll(async () => {
  await api?.close()
  await db?.end()
  await database?.drop()
  rmSync(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  await db`delete from triggers`
})

/** The command, where there is no database to look at: only the API. */
const tocsin = (...args: string[]) =>
  runCli(['triggers', ...args], { TOCSIN_API_TOKEN: token, TOCSIN_HOME: join(folder, 'home') }, folder)
const apply = (...args: string[]) => tocsin('apply', '--api', api.url, ...args)

const write = (name: string, ...documents: object[]) => {
  writeFileSync(join(folder, name), documents.map((document) => stringify(document)).join('---\n'))
  return name
}

const low = (changes: object = {}) => ({
  name: 'rated low',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [{ condition_type: 'score_threshold', operator: '<', value: 70 }],
  actions: [
    { action_type: 'rest', config: { url: 'https://hooks.example.com/low', headers: { 'X-Key': 'geheim' } } },
  ],
  ...changes,
})
const agents = {
  name: 'new agents',
  chain_id: 31337,
  registry: 'identity',
  conditions: [{ condition_type: 'event_type_equals', value: 'Registered' }],
  actions: [{ action_type: 'telegram', config: { chat_id: '-100123' } }],
}

const stored = async () => (await answerOf(client.GET('/v1/triggers'))).data.toReversed()
const versions = async () => (await stored()).map(({ name, version }) => `${name} ${version}`)

describe('tocsin triggers apply', () => {
  test('creates, changes and leaves alone what the files say, and says so', async () => {
    const file = write('a.yaml', low(), agents)
    const first = await apply('-f', file)
    expect(first).toMatchObject({ code: 0, stderr: '' })
    const [one] = await stored()
    expect(first.stdout).toContain(`✓ created "rated low" (${one?.id})\n`)
    expect(first.stdout).toMatch(
      /webhooks to https:\/\/hooks\.example\.com are signed with \S+ \(it is shown this once\)/,
    )
    expect(first.stdout).toContain('2 created\n')

    const second = await apply('-f', file)
    expect(second).toMatchObject({ code: 0, stderr: '' })
    expect(second.stdout).toContain('2 unchanged')
    expect(await versions()).toEqual(['rated low 1', 'new agents 1'])

    write('a.yaml', low({ enabled: false }), agents)
    const third = await apply('-f', file)
    expect(third).toMatchObject({ code: 0, stderr: '' })
    expect(third.stdout).toContain('+enabled: false')
    expect(third.stdout).toContain(`✓ changed "rated low" (${one?.id})\n`)
    expect(third.stdout).not.toContain('geheim')
    expect(await versions()).toEqual(['rated low 2', 'new agents 1'])
  })

  test('with --dry-run changes nothing, and with --exit-code says whether it would', async () => {
    const file = write('a.yaml', low())
    const dry = await apply('-f', file, '--dry-run')
    expect(dry).toMatchObject({ code: 0, stderr: '' })
    expect(dry.stdout).toContain('+ create "rated low" (a.yaml:1)\n1 to create\n')
    expect(await apply('-f', file, '--dry-run', '--exit-code')).toMatchObject({ code: 3 })
    expect(await stored()).toEqual([])
    await apply('-f', file)
    expect(await apply('-f', file, '--dry-run', '--exit-code')).toMatchObject({ code: 0 })
  })

  test('changes nothing at all where one document is wrong, and names its line', async () => {
    const wrong = low({
      name: 'wrong',
      conditions: [{ condition_type: 'score_threshold', operator: '~', value: 70 }],
    })
    const refused = await apply('-f', write('a.yaml', agents), '-f', write('b.yaml', wrong))
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(
      /^✗ b\.yaml:6:15: conditions\[0\]\.operator: expected .*\nNothing was changed\.\n$/,
    )
    expect(await stored()).toEqual([])
    expect(await apply('-f', 'nowhere.yaml')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('nowhere.yaml'),
    })
  })

  test('deletes what is in no file only with --prune, and never everything for an empty file', async () => {
    await apply('-f', write('a.yaml', low(), agents))
    const file = write('b.yaml', agents)
    await apply('-f', file)
    expect(await versions()).toEqual(['rated low 1', 'new agents 1'])
    const pruned = await apply('-f', file, '--prune')
    expect(pruned.stdout).toMatch(/- delete "rated low" \(.+\)\n/)
    expect(pruned.stdout).toMatch(/✓ deleted "rated low" \(.+\)\n/)
    expect(await versions()).toEqual(['new agents 1'])
    expect(await apply('-f', write('empty.yaml'), '--prune')).toMatchObject({ code: 2 })
    expect(await versions()).toEqual(['new agents 1'])
  })

  test('as JSON is one line, with the problem of what the API refused', async () => {
    const alone = {
      ...low({ name: 'alone' }),
      actions: [
        { action_type: 'rest', config: { url: 'https://alone.example/', headers: { 'X-Key': 'geheim' } } },
      ],
    }
    const { code, stdout, stderr } = await apply('-f', write('a.yaml', agents, alone), '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.trim().split('\n')).toHaveLength(1)
    expect(JSON.parse(stdout)).toMatchObject({
      applied: true,
      changes: [
        { action: 'create', name: 'new agents', file: 'a.yaml', line: 1, done: true, id: expect.any(String) },
        {
          action: 'create',
          name: 'alone',
          done: true,
          secrets: { 'https://alone.example': expect.any(String) },
        },
      ],
    })
    // A hidden value may not follow its action to another host.
    const [, other] = await stored()
    const moved = {
      ...alone,
      actions: [{ action_type: 'rest', config: { url: 'https://b.example/', headers: { 'X-Key': '***' } } }],
    }
    const refused = await apply('-f', write('a.yaml', moved), '--json')
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject({
      changes: [{ action: 'change', id: other?.id, done: false, error: expect.stringContaining('headers') }],
    })
  })

  test('says what is wrong when the API does not answer or does not take the credential', async () => {
    const file = write('a.yaml', agents)
    const unanswered = await tocsin('apply', '--api', 'http://127.0.0.1:1', '-f', file)
    expect(unanswered).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/does not answer.*tocsin start/),
    })
    const stranger = await runCli(
      ['triggers', 'apply', '--api', api.url, '-f', file],
      { TOCSIN_API_TOKEN: 'not-the-right-token' },
      folder,
    )
    expect(stranger).toMatchObject({ code: 2, stderr: expect.stringContaining('TOCSIN_API_TOKEN') })
    // The token in the home of an installation goes to no other machine.
    const away = await runCli(
      ['triggers', 'export', '--api', 'https://tocsin.example'],
      { TOCSIN_HOME: join(folder, 'home') },
      folder,
    )
    expect(away).toMatchObject({ code: 2, stderr: expect.stringContaining('is not sent to other machines') })
  })
})

describe('tocsin triggers export', () => {
  test('writes what apply takes and changes nothing for, without secrets', async () => {
    await apply('-f', write('a.yaml', low({ cooldown: { period: '10m' } }), agents))
    for (const format of ['yaml', 'json']) {
      const { code, stdout } = await tocsin('export', '--api', api.url, '--format', format)
      expect(code).toBe(0)
      expect(stdout).not.toContain('geheim')
      writeFileSync(join(folder, 'out'), stdout)
      expect(await apply('-f', 'out', '--dry-run', '--exit-code', '--prune')).toMatchObject({
        code: 0,
        stderr: '',
      })
    }
    expect(await versions()).toEqual(['rated low 1', 'new agents 1'])
  })

  test('writes only those that are asked for, with their ids where a name is not enough', async () => {
    await answerOf(client.POST('/v1/triggers', { body: agents as never }))
    await answerOf(client.POST('/v1/triggers', { body: agents as never }))
    const [one] = await stored()
    const { stdout } = await tocsin('export', '--api', api.url, String(one?.id))
    expect(parse(stdout)).toEqual({ id: one?.id, ...agents })
    writeFileSync(join(folder, 'out'), stdout)
    expect(await apply('-f', 'out', '--dry-run', '--exit-code')).toMatchObject({ code: 0 })
    expect(await tocsin('export', '--api', api.url, 'no-such-id')).toMatchObject({ code: 2 })
  })
})

describe('tocsin triggers validate', () => {
  test('needs no server and no database', async () => {
    const valid = await tocsin('validate', '-f', write('a.yaml', low(), agents))
    expect(valid).toMatchObject({ code: 0, stderr: '' })
    expect(valid.stdout).toBe(
      '✓ "rated low" (a.yaml:1)\n✓ "new agents" (a.yaml:15)\n2 triggers, no problem\n',
    )
    const wrong = await tocsin('validate', '--json', '-f', write('b.yaml', low({ colour: 'red' })))
    expect(wrong.code).toBe(1)
    expect(JSON.parse(wrong.stdout)).toMatchObject({
      valid: false,
      problems: [{ file: 'b.yaml', path: 'colour' }],
    })
  })
})
