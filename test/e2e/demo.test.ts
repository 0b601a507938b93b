import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { openEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'
import { runCli, startCli } from '../support/run-cli.ts'
import { until } from '../support/until.ts'

type Summary = { events: number; matches: number; deliveries: number; results: number; seconds: number }

let home: string

// Like a new user's: nothing is there, and Postgres is the embedded one.
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tocsin-demo-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

const runOnce = async (): Promise<Summary> => {
  const { code, stdout, stderr } = await runCli(['demo', '--once', '--json'], { TOCSIN_HOME: home })
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout.trim().split('\n')).toHaveLength(1)
  return JSON.parse(stdout) as Summary
}

/** Looks into the database that the demo left behind. */
const inDemoDatabase = async <T>(look: (db: Database) => Promise<T>): Promise<T> => {
  const embedded = await openEmbeddedPostgres({ home })
  const url = new URL(embedded.url)
  url.pathname = '/tocsin_demo'
  const db = openDatabase(url.href, { name: 'test', connectionsMax: 1 })
  try {
    return await look(db)
  } finally {
    await db.end()
    await embedded.release()
  }
}

const processes = () =>
  execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => {
      const [pid = 0, parent = 0] = line.trim().split(/\s+/, 2).map(Number)
      return { pid, parent, args: line }
    })

/** A process with everything that it started, directly or not. */
const familyOf = (pid: number): number[] => {
  const all = processes()
  const children = (of: number): number[] =>
    all.filter(({ parent }) => parent === of).flatMap((child) => [child.pid, ...children(child.pid)])
  return [pid, ...children(pid)]
}

describe('npm run demo', () => {
  it('leaves nothing running when it is killed with -9 in the middle', async () => {
    const { child, output, exited } = startCli(['demo', '--rate', '20'], { TOCSIN_HOME: home })
    await until('webhooks arrive', () => /delivery [0-9a-f]{8}/.test(output.stdout), 60_000)
    const family = familyOf(child.pid ?? 0)
    expect(family.length).toBeGreaterThan(6)
    child.kill('SIGKILL')
    await exited
    await until('everything has ended', () => {
      const left = processes().filter(({ pid, args }) => family.includes(pid) || args.includes(home))
      return left.length === 0
    })
  })

  it('says so when another demo runs, and does not disturb it', async () => {
    const first = startCli(['demo', '--rate', '20'], { TOCSIN_HOME: home })
    await until('the first one plays', () => first.output.stdout.includes('delivery '), 60_000)
    const second = await runCli(['demo', '--once', '--json'], { TOCSIN_HOME: home })
    expect(second).toMatchObject({ code: 2, stdout: '' })
    expect(second.stderr).toContain('The database "tocsin_demo" is in use')
    const seen = first.output.stdout.length
    await until('the first one goes on', () => first.output.stdout.length > seen + 200)
    // Ctrl-C, as a terminal sends it.
    first.child.kill('SIGINT')
    expect((await first.exited).code).toBe(0)
    await until('everything has ended', () => processes().every(({ args }) => !args.includes(home)))
  })

  it('--once --json shows every stage at work, within 90 seconds, and counts truly', async () => {
    const summary = await runOnce()
    expect(summary.seconds).toBeLessThan(90)
    expect(summary.deliveries).toBeGreaterThanOrEqual(50)
    expect(summary.results).toBe(summary.deliveries)

    const stored = await inDemoDatabase(async (db) => {
      // What should have fired, from the raw arguments of the logs and nothing that the matcher uses.
      const [expected] = await db`
        select
          count(*) filter (where event_type = 'Registered')
          + count(*) filter (where event_type = 'FeedbackRevoked')
          + count(*) filter (where event_type = 'ValidationResponse' and (args ->> 'response')::int >= 80)
          + count(*) filter (where event_type = 'NewFeedback' and args ->> 'tag1' = 'starred'
              and (args ->> 'value')::numeric / 10 ^ (args ->> 'valueDecimals')::int < 70) as deliveries,
          count(*) as events, count(distinct (transaction_hash, log_index)) as logs, count(distinct event_type) as types
        from events
      `
      const [actual] = await db`
        select count(*) as deliveries, count(distinct (trigger_id, action_id, occurrence)) as distinct_deliveries,
          count(*) filter (where state = 'succeeded') as succeeded
        from deliveries
      `
      return { expected, actual }
    })
    expect(stored.expected).toMatchObject({ events: summary.events, logs: summary.events, types: 9 })
    expect(stored.actual).toEqual({
      deliveries: stored.expected?.deliveries,
      distinct_deliveries: summary.deliveries,
      succeeded: summary.deliveries,
    })
  })
})
