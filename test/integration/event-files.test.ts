import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import pino from 'pino'
import { keccak256, toBytes } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { maintainOnce } from '../../src/maintenance.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import { createShutdown, type Shutdown } from '../../src/shutdown.ts'
import {
  claimFiles,
  fileKeyOf,
  fileReadyChannel,
  readFiles,
  requestFiles,
} from '../../src/store/event-files.ts'
import { type FetchPace, runFileFetcher } from '../../worker/fetch-files.ts'
import { createHttpClient, type HttpClient } from '../../worker/http.ts'
import { testSecretKeys } from '../support/secrets.ts'
import { startRole } from '../support/start-role.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const log = pino({ level: 'silent' })
const pace: FetchPace = {
  concurrency: 16,
  perHostMax: 4,
  timeoutMs: 300,
  backoffMs: [20, 20, 20],
  leaseMs: 1_000,
}

let database: TestDatabase
let db: Database
let http: HttpClient
let server: Server
let url: string
let answer: (path: string, response: ServerResponse) => void
let requests: string[]
const fetchers: Shutdown[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  http = createHttpClient({ allow: parseCidrs('127.0.0.0/8'), deny: [] })
})
afterAll(async () => {
  await http.close()
  await db.end()
  await database.drop()
})
beforeEach(async () => {
  requests = []
  server = createServer((request, response) => {
    requests.push(request.url ?? '')
    answer(request.url ?? '', response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  await Promise.all(fetchers.splice(0).map((shutdown) => shutdown.run()))
  server.closeAllConnections()
  server.close()
  await db`truncate event_files`
})

async function startFetcher(own: Partial<FetchPace> = {}): Promise<Shutdown> {
  const shutdown = createShutdown()
  fetchers.push(shutdown)
  const workerId = `test/${fetchers.length}`
  await runFileFetcher({
    db,
    log,
    shutdown,
    workerId,
    files: { http, gateways: [] },
    pace: { ...pace, ...own },
  })
  return shutdown
}

async function ask(
  path: string,
  hash: string | null = null,
  occurrence = path,
  chainId = 1,
): Promise<string> {
  const uri = path.startsWith('/') ? `${url}${path}` : path
  const key = fileKeyOf({ uri, hash }, occurrence)
  await requestFiles(db, chainId, [{ key, uri, hash }])
  return key
}

const verdictOf = async (key: string) => (await readFiles(db, [key])).get(key)

function settled(key: string) {
  return until('there is a verdict', async () => {
    const verdict = await verdictOf(key)
    return verdict === 'waiting' ? undefined : verdict
  })
}

describe('the fetch queue', () => {
  it('fetches a file once for all who ask, keeps its JSON and tells each chain', async () => {
    answer = (_path, response) => response.end('{"active":true}')
    const told: string[] = []
    const { unlisten } = await db.listen(fileReadyChannel, (chain) => told.push(chain))
    const hash = keccak256(toBytes('{"active":true}'))
    const key = await ask('/a.json', hash, 'one', 1)
    expect(await ask('/a.json', hash, 'two', 2)).toBe(key)
    await ask('/a.json', hash, 'one', 1)
    expect(await verdictOf(key)).toBe('waiting')
    await startFetcher()
    expect(await settled(key)).toEqual({
      status: 'fetched',
      error: null,
      hash: 'raw',
      json: { active: true },
    })
    await until('both chains were told', () => told.length === 2)
    expect(told.sort()).toEqual(['1', '2'])
    await ask('/a.json', hash, 'three', 3)
    expect(requests).toEqual(['/a.json'])
    await unlisten()
  })

  it('wakes for a file that is asked for later', async () => {
    answer = (_path, response) => response.end('1')
    await startFetcher()
    const startedMs = performance.now()
    await settled(await ask('/later'))
    expect(performance.now() - startedMs).toBeLessThan(4_000)
  })

  it('reads a file that may have changed anew for each occurrence', async () => {
    let version = 0
    answer = (_path, response) => response.end(JSON.stringify({ version: ++version }))
    await startFetcher()
    const first = await settled(await ask('/agent.json', null, 'one'))
    const second = await settled(await ask('/agent.json', null, 'two'))
    const again = await settled(await ask('/agent.json', null, 'one'))
    expect([first.json, second.json, again.json]).toEqual([{ version: 1 }, { version: 2 }, { version: 1 }])
  })

  it('a failure is a verdict, after some tries where they may help', async () => {
    answer = (path, response) => {
      if (path === '/hangs') return
      response.statusCode = Number(path.slice(1))
      response.end()
    }
    await startFetcher()
    const keys = await Promise.all(
      ['/404', '/410', '/503', '/hangs', 'ar://x', 'data:,%7B%7D'].map((path) => ask(path)),
    )
    const [missing, gone, down, hangs, scheme, data] = await Promise.all(keys.map(settled))
    for (const verdict of [missing, gone, down, hangs, scheme]) {
      expect(verdict).toMatchObject({ status: 'failed', hash: 'unavailable' })
    }
    expect(missing?.error).toContain('HTTP 404')
    expect(scheme?.error).toContain('not ar:')
    expect(data).toMatchObject({ status: 'fetched', json: {} })
    const count = (path: string) => requests.filter((request) => request === path).length
    expect([count('/404'), count('/410'), count('/503'), count('/hangs')]).toEqual([4, 1, 4, 4])
  })

  it('a later try may succeed', async () => {
    answer = (_path, response) => {
      response.statusCode = requests.length < 3 ? 404 : 200
      response.end('{"a":1}')
    }
    await startFetcher()
    expect(await settled(await ask('/late.json'))).toMatchObject({
      status: 'fetched',
      json: { a: 1 },
      error: null,
    })
  })

  it('bounds what it reads and what it keeps', async () => {
    const text = JSON.stringify({ pad: 'a'.repeat(300_000) })
    answer = (path, response) => {
      if (path === '/huge') response.end(Buffer.alloc(10_485_760, 'a'))
      else if (path === '/large') response.end(text)
      else if (path === '/many') response.end(JSON.stringify(Array(10_001).fill(1)))
      else if (path === '/nul') response.end('{"a\\u0000":"\\ud800b"}')
      else response.end('<html>')
    }
    await startFetcher()
    const hash = keccak256(toBytes(text))
    const paths = ['/huge', '/large', '/many', '/nul', '/page']
    const keys = await Promise.all(paths.map((path) => ask(path, path === '/large' ? hash : null)))
    const [huge, large, many, nul, page] = await Promise.all(keys.map(settled))
    expect(huge).toMatchObject({ status: 'failed' })
    expect(huge?.error).toContain('larger than 1048576 bytes')
    expect(large).toMatchObject({ status: 'fetched', hash: 'raw' })
    expect(large).not.toHaveProperty('json')
    expect(large?.error).toContain('the content is not kept')
    expect(many?.error).toContain('10000 values')
    expect(nul?.json).toEqual({ 'a\ufffd': '\ufffdb' })
    expect(page).toMatchObject({ status: 'fetched', error: 'the file is not JSON (it looks like HTML)' })
  })

  it('says what the hash on the chain is worth, and passes on what it covers', async () => {
    const file = { mcp: { tool: 'search' }, a: 1 }
    answer = (_path, response) => response.end(JSON.stringify(file))
    await startFetcher()
    const sorted = keccak256(toBytes(JSON.stringify(file, Object.keys(file).sort())))
    expect(await settled(await ask('/f', sorted))).toMatchObject({
      hash: 'sorted_keys',
      json: { a: 1, mcp: {} },
    })
    const wrong = await settled(await ask('/f', `0x${'12'.repeat(32)}`))
    expect(wrong).toMatchObject({ status: 'fetched', hash: 'mismatch', json: file })
  })

  it('several workers never fetch a file at once, nor more than a few from one host', async () => {
    let open = 0
    let most = 0
    answer = (_path, response) => {
      open += 1
      most = Math.max(most, open)
      setTimeout(() => {
        open -= 1
        response.end('{}')
      }, 20)
    }
    const keys = await Promise.all(Array.from({ length: 40 }, (_, index) => ask(`/${index}`)))
    await Promise.all([startFetcher(), startFetcher(), startFetcher()])
    await Promise.all(keys.map(settled))
    expect(requests.length).toBe(40)
    expect(most).toBeLessThanOrEqual(4)
    expect(most).toBeGreaterThan(1)
  })

  it('takes up a file whose worker died, and gives up on one that kills every worker', async () => {
    answer = (_path, response) => response.end('{}')
    const key = await ask('/a')
    const dead = { max: 10, perHostMax: 4, tries: 4, workerId: 'test/dead', leaseMs: 50 }
    expect((await claimFiles(db, dead)).map((file) => file.key)).toEqual([key])
    expect(await claimFiles(db, dead)).toEqual([])
    const killer = await ask('/killer')
    for (let died = 0; died < 4; )
      died += (await claimFiles(db, dead)).filter((file) => file.key === killer).length
    await startFetcher()
    expect(await settled(killer)).toMatchObject({
      status: 'failed',
      error: 'every process that fetched it died',
    })
    expect(requests).not.toContain('/killer')
  })

  it('survives kill -9 of the worker process that fetches', async () => {
    answer = () => {}
    const variables = {
      DATABASE_URL: database.url,
      TOCSIN_SECRET_KEYS: testSecretKeys,
      TOCSIN_LOG_LEVEL: 'warn',
      OUTBOUND_ALLOW: '127.0.0.0/8',
    }
    const worker = await startRole('worker', variables)
    const key = await ask('/a')
    await until('it is being fetched', () => requests.length === 1)
    await worker.kill()
    const [row] = await db`select status, attempts, lease_until > now() as leased from event_files`
    expect(row).toEqual({ status: 'waiting', attempts: 1, leased: true })
    await startFetcher()
    // Half a minute later.
    await db`update event_files set lease_until = now()`
    answer = (_path, response) => response.end('{}')
    expect(await settled(key)).toMatchObject({ status: 'fetched' })
    expect(requests).toEqual(['/a', '/a'])
  })

  it('a matcher in a snapshot from before a verdict does not lose it', async () => {
    answer = (_path, response) => response.end('{}')
    const uri = `${url}/a`
    const key = fileKeyOf({ uri, hash: null }, 'one')
    const attempt = db.begin('isolation level repeatable read', async (tx) => {
      expect((await readFiles(tx, [key])).size).toBe(0)
      await requestFiles(db, 1, [{ key, uri, hash: null }])
      await startFetcher()
      await settled(key)
      await requestFiles(tx, 1, [{ key, uri, hash: null }])
    })
    // A lost race, which a matcher runs again.
    await expect(attempt).rejects.toMatchObject({ code: '40001' })
    expect(await verdictOf(key)).toMatchObject({ status: 'fetched' })
  })

  it('a worker that stops leaves its file to the next one, without a try lost', async () => {
    answer = () => {}
    const first = await startFetcher({ timeoutMs: 60_000, leaseMs: 120_000 })
    const key = await ask('/a')
    await until('it is being fetched', () => requests.length === 1)
    await first.run()
    expect(await db`select attempts, lease_until from event_files`).toEqual([
      { attempts: 0, lease_until: null },
    ])
    answer = (_path, response) => response.end('{}')
    await startFetcher()
    expect(await settled(key)).toMatchObject({ status: 'fetched' })
  })

  it('keeps a failure for a day, and verdicts for a month', async () => {
    answer = (_path, response) => response.end('{}')
    const hash = `0x${'12'.repeat(32)}`
    const key = await ask('/a', hash, 'one')
    const other = await ask('/b', hash, 'one')
    const fail = (age: string) =>
      db`update event_files set status = 'failed', attempts = 4, fetched_at = now() - ${age}::interval`
    await fail('23 hours')
    await ask('/a', hash, 'two')
    expect(await verdictOf(key)).toMatchObject({ status: 'failed' })
    await fail('25 hours')
    expect(await verdictOf(key)).toBeUndefined()
    await ask('/a', hash, 'two')
    expect(await verdictOf(key)).toBe('waiting')
    await startFetcher()
    expect(await settled(key)).toMatchObject({ status: 'fetched' })
    await db`update event_files set fetched_at = now() - interval '31 days' where key = ${other}`
    await maintainOnce(db, { eventDays: undefined, resultDays: 30 })
    expect((await db`select key from event_files`).map((row) => row.key)).toEqual([key])
  })
})
