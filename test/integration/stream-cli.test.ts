import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { listen } from '../../src/api/listen.ts'
import type { StreamLimits } from '../../src/api/stream.ts'
import { followStream, type StreamMessage } from '../../src/client/follow-stream.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { readStreamLag } from '../../src/store/stream.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { sampleEvent } from '../support/events.ts'
import { runCli, startCli } from '../support/run-cli.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const token = 'the-token-of-the-installation'

let database: TestDatabase
let db: Database
let folder: string

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'stream cli test', connectionsMax: 4 })
  folder = mkdtempSync(join(tmpdir(), 'tocsin-stream-'))
})

afterAll(async () => {
  await db?.end()
  await database?.drop()
  rmSync(folder, { recursive: true, force: true })
})

/** An API as in a process of its own; on a port of before it is the same one, started again. */
async function startApi(port = 0, stream: Partial<StreamLimits> = {}) {
  const pool = openDatabase(database.url, { name: 'stream cli test api' })
  const stopping = new AbortController()
  const app = createApp({
    db: pool,
    log: createLog({ level: 'silent', format: 'json' }, 'test'),
    secrets: testSecrets,
    token,
    userId: await ensureUser(pool, 'bootstrap'),
    stream,
    signal: stopping.signal,
  })
  const { url, close } = await listen(app, { host: '127.0.0.1', port })
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopping.abort()
    stopped ??= close().then(() => pool.end({ timeout: 5 }))
    return stopped
  }
  onTestFinished(stop)
  return { url, port: Number(new URL(url).port), stop }
}

const variables = (url: string) => ({
  TOCSIN_API_URL: url,
  TOCSIN_API_TOKEN: token,
  TOCSIN_HOME: join(folder, 'home'),
})

let blocks = 0
/** Writes one event and tells its id. */
async function happen(): Promise<string> {
  blocks += 1
  const { seq: _, ...event } = sampleEvent('NewFeedback', {
    id: `31337-${blocks}-0-0123456789abcdef`,
    block_number: blocks,
    occurrence: `o-${blocks}`,
  })
  await db`insert into events ${db([{ ...event, topics: [], data: '0x' }] as never)}`
  return event.id
}

test('tells each change once, in order, also when the API goes away and comes back', async () => {
  const first = await startApi()
  const written = [await happen()]
  const args = ['stream', '--json', '--kinds', 'event', '--from', 'start', '--count', '9']
  const { output, exited } = startCli(args, variables(first.url), folder)
  await until('the first one is told', () => output.stdout.includes(written[0] ?? '-'))
  for (let count = 0; count < 3; count++) written.push(await happen())
  await first.stop()
  for (let count = 0; count < 3; count++) written.push(await happen())
  await startApi(first.port)
  for (let count = 0; count < 2; count++) written.push(await happen())

  const { code, stdout, stderr } = await exited
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.map(({ event }) => event.id)).toEqual(written)
  expect(lines[0]).toMatchObject({ kind: 'event', change: 'arrived', id: expect.stringMatching(/^\w+$/) })
  expect(code).toBe(0)
  expect(stderr).toMatch(/^The stream was interrupted \(.+\); again in \d+ s\.$/m)

  // Another one goes on behind any of them.
  const { url } = await startApi()
  const rest = ['--no-follow', '--last-event-id', lines[6]?.id]
  const { stdout: after } = await runCli(
    ['stream', '--json', '--kinds', 'event', ...rest],
    variables(url),
    folder,
  )
  expect(
    after
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).event.id),
  ).toEqual(written.slice(7))
})

test('says what happened to people, and ends with Ctrl-C as with success', async () => {
  const { url } = await startApi()
  const { child, output, exited } = startCli(['stream', '--from', 'start'], variables(url), folder)
  const id = await happen()
  const line = await until('it is told', () => output.stdout.split('\n').find((text) => text.includes(id)))
  expect(line).toMatch(/Z {2}event {5}arrived {5}\S+ {2}NewFeedback of agent \d+, block \d+ of chain 31337$/)
  child.kill('SIGINT')
  expect(await exited).toMatchObject({ code: 0, stderr: '' })
})

test('says what is wrong with what was asked for, and with the credential', async () => {
  const { url } = await startApi()
  const wrong = await runCli(['stream', '--kinds', 'event', '--trigger', 'x'], variables(url), folder)
  expect(wrong).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('trigger_id: narrows') })
  const stranger = await runCli(
    ['stream'],
    { ...variables(url), TOCSIN_API_TOKEN: 'not-the-credential-of-anybody' },
    folder,
  )
  expect(stranger).toMatchObject({ code: 2, stderr: expect.stringContaining('does not take the credential') })
})

test('a transaction that is left open, and holds the stream back, is measured and named', async () => {
  const { url } = await startApi()
  const lag = async () => (await readStreamLag(db))[0]
  // Other tests use the same server.
  await until('nothing waits', async () => (await lag())?.seconds === 0)
  const other = openDatabase(database.url, { name: 'forgotten session', connectionsMax: 1 })
  let release = () => {}
  const open = other.begin(async (tx) => {
    await tx`select pg_current_xact_id()`
    await happen()
    await new Promise<void>((resolve) => {
      release = resolve
    })
  })
  try {
    // A transaction of another test, in another database of the server, can be older for a moment.
    const named = /^process \d+ \(.*forgotten session.*\), since 20/
    await until('it waits for that session', async () => {
      const seen = await lag()
      return seen !== undefined && seen.seconds > 0.5 && named.test(seen.held_by ?? '')
    })
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(Number(/^tocsin_stream_held_back_seconds (.+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0.5)
  } finally {
    release()
    await open
    await other.end()
  }
  expect(await until('nothing waits any more', async () => (await lag())?.seconds === 0)).toBe(true)
  expect((await lag())?.held_by).toBeNull()
})

test('goes on from a heartbeat, which has an id and no data, and never from within a message', async () => {
  const asked: (string | undefined)[] = []
  const answers = [
    'id: a\nevent: event\ndata: {"n":1}\n\n: heartbeat b\nid: b\n\nid: c\nevent: event\ndata: {"n":',
    'id: d\nevent: event\ndata: {"n":2}\n\n',
    'id: e\nevent: ended\ndata: {"reason":"r","complete":true}\n\n',
  ]
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    asked.push(request.headers['last-event-id'] as string | undefined)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    // In two parts, so that a message is cut in its middle.
    const text = `retry: 1\n\n${answers[asked.length - 1]}`
    response.write(text.slice(0, 20), () => response.end(text.slice(20)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
  })
  const address = server.address()
  const heard: StreamMessage[] = []
  await followStream({
    baseUrl: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    token,
    query: new URLSearchParams(),
    onMessage: async (message) => {
      heard.push(message)
      return true
    },
    signal: AbortSignal.timeout(20_000),
  })
  expect(asked).toEqual([undefined, 'b', 'd'])
  expect(heard.map(({ id, data }) => [id, data.n])).toEqual([
    ['a', 1],
    ['d', 2],
    ['e', undefined],
  ])
})
