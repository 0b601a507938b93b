import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../../src/db.ts'
import { runCli } from '../support/run-cli.ts'
import { createTestDatabase } from '../support/test-database.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let home: string

beforeAll(async () => {
  database = await createTestDatabase()
  home = mkdtempSync(join(tmpdir(), 'tocsin-cli-'))
})
afterAll(async () => {
  await database?.drop()
  rmSync(home, { recursive: true, force: true })
})

/** Runs a command that must fail for a reason that its user can mend: exit code 2, one clear text, no stack trace. */
const refusal = async (args: string[], variables: Record<string, string> = {}) => {
  const settings = { DATABASE_URL: database.url, TOCSIN_HOME: home, TOCSIN_LOG_LEVEL: 'error', ...variables }
  const { code, stderr } = await runCli(args, settings)
  expect({ code, stderr }).toMatchObject({ code: 2 })
  expect(stderr).not.toMatch(/^\s+at /m)
  return stderr.trim()
}

describe('a mistake of the user is one clear text and exit code 2', () => {
  it('an unknown command, and an argument that is no number', async () => {
    expect(await refusal(['strat'])).toContain("unknown command 'strat'")
    expect(await refusal(['demo', '--rate', 'fast'])).toContain('Expected a whole number from 1 to 50.')
  })

  it('an unknown variable with our prefix', async () => {
    expect(await refusal(['migrate', 'status'], { TOCSIN_PORT: '1' })).toContain(
      'TOCSIN_PORT: unknown variable',
    )
  })

  it('a wrong password, which is not shown', async () => {
    const url = new URL(database.url)
    url.password = 'not-the-password'
    const message = await refusal(['migrate', 'status'], { DATABASE_URL: url.href })
    expect(message).toMatch(
      /^Cannot use the database at .*: it refuses the user ".*" or the password\. Check DATABASE_URL\.$/,
    )
    expect(message).not.toContain('not-the-password')
  })

  it('a database server that is not there, and a database that is not there', async () => {
    const nobody = createTcpServer().listen(0, '127.0.0.1')
    await once(nobody, 'listening')
    const { port } = nobody.address() as AddressInfo
    nobody.close()
    expect(
      await refusal(['migrate', 'status'], { DATABASE_URL: `postgres://a:b@127.0.0.1:${port}/x` }),
    ).toContain('no Postgres answers there (ECONNREFUSED)')
    const url = new URL(database.url)
    url.pathname = '/no_such_database'
    expect(await refusal(['migrate', 'status'], { DATABASE_URL: url.href })).toContain(
      'it has no database "no_such_database"',
    )
  })

  it('a migration that cannot be applied, named with its reason', async () => {
    const occupied = await createTestDatabase()
    const db = openDatabase(occupied.url, { name: 'test', connectionsMax: 1 })
    await db`create table users (name text)`
    await db.end()
    try {
      const message = await refusal(['migrate', 'apply'], { DATABASE_URL: occupied.url })
      expect(message).toMatch(/^Could not apply migration 0003_triggers: relation "users" already exists\./)
    } finally {
      await occupied.drop()
    }
  })

  it('something else than Postgres where the database should be', async () => {
    const other = createTcpServer((socket) => socket.on('error', () => {}).end('no')).listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    try {
      expect(
        await refusal(['migrate', 'status'], { DATABASE_URL: `postgres://a:b@127.0.0.1:${port}/x` }),
      ).toContain('does not answer as Postgres does')
    } finally {
      other.close()
    }
  })

  it('a Redis that is not there', async () => {
    const message = await refusal(['worker'], { REDIS_URL: 'redis://127.0.0.1:9' })
    expect(message).toContain('REDIS_URL: no Redis answers at 127.0.0.1:9')
  })

  it('a taken port', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    try {
      const message = await refusal(['api'], { TOCSIN_API_PORT: String(port) })
      expect(message).toContain(String(port))
      expect(message).toContain('TOCSIN_API_PORT')
    } finally {
      other.close()
    }
  })

  it('no chain at all', async () => {
    expect(await refusal(['start'])).toContain('Set RPC_URL_<chain id>')
  })

  it('an RPC URL where nobody answers, without the key in it', async () => {
    const message = await refusal(['indexer'], { RPC_URL_31337: 'http://127.0.0.1:9/secret-key' })
    expect(message).toContain('RPC_URL_31337')
    expect(message).not.toContain('secret-key')
  })
})

describe('tocsin migrate', () => {
  it('applies, lists, verifies and takes back, for people and as JSON', async () => {
    const empty = await createTestDatabase()
    const settings = { DATABASE_URL: empty.url, TOCSIN_HOME: home }
    const stdout = async (...args: string[]) => (await runCli(['migrate', ...args], settings)).stdout

    expect(JSON.parse(await stdout('apply', '--json'))).toMatchObject({
      applied: expect.arrayContaining(['0001_events']),
    })
    expect(await stdout('apply')).toMatch(
      /^Nothing to apply: the schema is up to date\.\nEvents are kept in /,
    )
    expect(await stdout('verify')).toBe('The schema is what it should be.\n')

    const db = openDatabase(empty.url, { name: 'test', connectionsMax: 1 })
    await db`drop index deliveries_due`
    await db.end()
    const verified = await runCli(['migrate', 'verify'], settings)
    expect(verified).toMatchObject({ code: 1 })
    expect(verified.stdout).toContain('index deliveries_due does not exist')

    const all = JSON.parse(await stdout('status', '--json'))
    const taken = JSON.parse(await stdout('rollback', '--count', String(all.length), '--json'))
    expect(taken.rolled_back).toHaveLength(all.length)
    expect(await stdout('status')).not.toMatch(/ applied 2/)
    await empty.drop()
  })
})

describe('tocsin doctor', () => {
  it('finds everything well, and says what it looked at', async () => {
    const settings = { DATABASE_URL: database.url, TOCSIN_HOME: home }
    await runCli(['migrate', 'apply'], settings)
    const { code, stdout } = await runCli(['doctor', '--json'], settings)
    const findings = JSON.parse(stdout) as { check: string; level: string }[]
    expect(code).toBe(0)
    expect(findings.map(({ check }) => check)).toEqual([
      'node',
      'configuration',
      'database',
      'timescaledb',
      'schema',
      'unknown logs',
      'stream',
      'secrets',
      'queue',
      'chains',
    ])
    expect(findings.filter(({ level }) => level === 'problem')).toEqual([])
  })

  it('names what is wrong and what to do, with exit code 1', async () => {
    const settings = {
      DATABASE_URL: database.url,
      TOCSIN_HOME: home,
      RPC_URL_31337: 'http://127.0.0.1:9/secret-key',
      OUTBOUND_ALLOW: '10.20.0.0/16 fd12::/16',
      OUTBOUND_DENY: '10.20.9.0/24',
    }
    const { code, stdout } = await runCli(['doctor'], settings)
    expect(code).toBe(1)
    expect(stdout).toContain(
      'outbound: called beside the public internet: 10.20.0.0/16, fd12::/16; never called: 10.20.9.0/24',
    )
    expect(stdout).toMatch(/PROBLEM {2}chain 31337 \(local\): 127\.0\.0\.1:9 does not answer/)
    expect(stdout).toContain('→ Check RPC_URL_31337.')
    expect(stdout).not.toContain('secret-key')
  })
})
