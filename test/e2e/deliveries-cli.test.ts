import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { listen } from '../../src/api/listen.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { runCli } from '../support/run-cli.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let home: string
let db: Database

beforeAll(async () => {
  database = await createTestDatabase()
  home = mkdtempSync(join(tmpdir(), 'tocsin-cli-'))
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test', connectionsMax: 1 })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
  rmSync(home, { recursive: true, force: true })
})
beforeEach(async () => {
  await db`truncate triggers, matches, deliveries, action_results cascade`
})

const tocsin = (...args: string[]) =>
  runCli(['deliveries', ...args], { DATABASE_URL: database.url, TOCSIN_HOME: home })

const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await tocsin(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** A mistake of the user: exit code 2, one clear text, no stack trace. */
const refusal = async (...args: string[]) => {
  const { code, stderr } = await tocsin(...args)
  expect({ code, stderr }).toMatchObject({ code: 2 })
  expect(stderr).not.toMatch(/^\s+at /m)
  return stderr.trim()
}

/** Deliveries of one trigger, to `https://<host>/hook`, the newest last; those that have ended did so on a day of November. */
async function insertDeliveries(host: string, rows: { state: string; day?: number; error?: string }[]) {
  const trigger = await insertTrigger(db, { actions: [{ config: { url: `https://${host}/hook` } }] })
  const ids: string[] = []
  for (const [n, { state, day, error = null }] of rows.entries()) {
    const [row] = await db`
      with matched as (
        insert into matches (trigger_id, trigger_version, chain_id, occurrence, event_id, block_number, block_time, evidence)
        values (${trigger}, 1, 31337, ${`o${n}`}, 'e', 1, now(), '[]') returning id
      )
      insert into deliveries
        (match_id, trigger_id, action_id, occurrence, event_id, block_time, action_type, priority, state, attempts, created_at, finished_at, error_message)
      select m.id, a.trigger_id, a.id, ${`o${n}`}, 'e', now(), 'rest', 1, ${state}, 2,
        ${new Date(Date.UTC(2026, 10, 1, n))}, ${day === undefined ? null : new Date(Date.UTC(2026, 10, day))}, ${error}
      from matched m join trigger_actions a on a.trigger_id = ${trigger}
      returning id
    `
    ids.push(String(row?.id))
  }
  return { trigger, ids }
}

const apiToken = 'the-token-of-the-installation'

/** An API whose token is that of the user of all triggers here. */
async function startApi() {
  const pool = openDatabase(database.url, { name: 'test api' })
  const { url, close } = await listen(
    createApp({
      db: pool,
      log: createLog({ level: 'silent', format: 'json' }, 'test'),
      secrets: testSecrets,
      token: apiToken,
      userId: 'test',
    }),
    { host: '127.0.0.1', port: 0 },
  )
  onTestFinished(async () => {
    await close()
    await pool.end()
  })
  return url
}

const statesOf = async (ids: string[]) => {
  const rows = await db`select id, state from deliveries where id = any (${ids})`
  return ids.map((id) => rows.find((row) => row.id === id)?.state)
}

describe('tocsin deliveries', () => {
  it('lists what fits, the newest first, for people and as JSON', async () => {
    const a = await insertDeliveries('a.example', [
      { state: 'failed', day: 5, error: 'the receiver answered\nwith HTTP 500' },
      { state: 'failed', day: 20 },
      { state: 'succeeded', day: 20 },
    ])
    const b = await insertDeliveries('b.example:8443', [{ state: 'failed', day: 21 }, { state: 'pending' }])
    const list = async (...args: string[]) =>
      (await json('list', ...args)).map(({ id }: { id: string }) => id).sort()

    expect(await list()).toEqual([...a.ids, ...b.ids].sort())
    expect(await list('--state', 'failed', '--since', '2026-11-20')).toEqual([a.ids[1], b.ids[0]].sort())
    expect(await list('--destination', 'b.example:8443')).toEqual([...b.ids].sort())
    expect(await list('--trigger', a.trigger, '--state', 'succeeded')).toEqual([a.ids[2]])
    const newest = await json('list', '--limit', '2', '--destination', 'a.example')
    expect(newest.map(({ id }: { id: string }) => id)).toEqual([a.ids[2], a.ids[1]])

    const { stdout } = await tocsin('list', '--state', 'failed', '--destination', 'a.example')
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^DELIVERY +STATE +ATTEMPTS +ENDED, OR DUE +DESTINATION +ERROR$/),
      expect.stringMatching(`^${a.ids[1]}  failed  2         2026-11-20T00:00:00Z  a.example$`),
      expect.stringMatching(
        `^${a.ids[0]}  failed  2 +2026-11-05T00:00:00Z  a.example +the receiver answered with HTTP 500$`,
      ),
      '',
    ])
    expect((await tocsin('list', '--limit', '1')).stdout).toContain('There are more.')
    expect((await tocsin('list', '--destination', 'c.example')).stdout).toBe('No deliveries.\n')
  })

  it('shows one with its attempts', async () => {
    const { ids, trigger } = await insertDeliveries('a.example', [{ state: 'failed', day: 5, error: 'no' }])
    const [id = ''] = ids
    expect((await tocsin('show', id)).stdout).toContain('No attempts yet.')
    await db`
      insert into action_results
        (delivery_id, job_id, event_id, action_type, status, executed_at, duration_ms, retry_count, error_message, response_data)
      values
        (${id}, 'j', 'e', 'rest', 'retrying', '2026-11-04T12:00:00Z', 30000, 0, 'no answer within 30000 ms', '{}'),
        (${id}, 'j', 'e', 'rest', 'failed', '2026-11-05T00:00:00Z', 12, 1, 'no', '{"status": 404, "body": "secret body"}')
    `
    const { stdout } = await tocsin('show', id)
    expect(stdout).toMatch(new RegExp(`^delivery +${id}\nstate +failed\nerror +no\n`))
    expect(stdout).toMatch(new RegExp(`^trigger +${trigger}$`, 'm'))
    expect(stdout).toMatch(/^1 +2026-11-04T12:00:00Z +30000 ms +retrying +– +no answer within 30000 ms$/m)
    expect(stdout).toMatch(/^2 +2026-11-05T00:00:00Z +12 ms +failed +404 +no$/m)
    expect(await json('show', id)).toMatchObject({
      id,
      state: 'failed',
      results: [{ retry_count: 0 }, { retry_count: 1, response_data: { status: 404 } }],
    })
  })

  it('retries one, and cancels it', async () => {
    const { ids } = await insertDeliveries('a.example', [{ state: 'unknown', day: 5 }])
    const [id = ''] = ids
    const retried = await tocsin('retry', id)
    expect(retried).toMatchObject({ code: 0, stdout: expect.stringContaining(`Delivery ${id} is due now.`) })
    expect(await statesOf(ids)).toEqual(['pending'])
    expect(await json('cancel', id)).toMatchObject({ id, state: 'cancelled' })
    expect(await json('retry', id)).toMatchObject({ id, state: 'pending' })
    expect((await tocsin('cancel', id)).stdout).toBe(`Delivery ${id} is cancelled.\n`)
  })

  it('retries all that fit, and wakes the relay', async () => {
    const a = await insertDeliveries('a.example', [
      { state: 'failed', day: 5 },
      { state: 'unknown', day: 20 },
      { state: 'cancelled', day: 20 },
    ])
    const b = await insertDeliveries('b.example', [{ state: 'failed', day: 20 }])
    let wakeUps = 0
    const { unlisten } = await db.listen('delivery_pending', () => {
      wakeUps += 1
    })

    expect(await json('retry', '--destination', 'b.example', '--since', '2026-11-21')).toEqual({ retried: 0 })
    expect(await json('retry', '--destination', 'b.example')).toEqual({ retried: 1 })
    await until('the relay was woken', () => wakeUps === 1)
    await unlisten()
    expect((await tocsin('retry', '--since', '2026-11-20', '--trigger', a.trigger)).stdout).toBe(
      '1 delivery is due now.\n',
    )
    expect(await statesOf([...a.ids, ...b.ids])).toEqual(['failed', 'pending', 'cancelled', 'pending'])
    expect((await tocsin('retry', '--state', 'unknown')).stdout).toMatch(/^Nothing to retry: /)
  })

  it('refuses what makes no sense in one clear text', async () => {
    const nobody = '00000000-0000-4000-8000-000000000000'
    const { ids } = await insertDeliveries('a.example', [{ state: 'succeeded', day: 5 }])
    const [id = ''] = ids
    for (const verb of ['show', 'retry', 'cancel']) {
      expect(await refusal(verb, nobody)).toBe(`There is no delivery with the id "${nobody}".`)
    }
    expect(await refusal('show', 'nothing')).toBe('There is no delivery with the id "nothing".')
    expect(await refusal('retry', id)).toBe(
      'This delivery is succeeded: only one that is failed, unknown or cancelled can be retried.',
    )
    expect(await refusal('cancel', id)).toBe(
      'This delivery is succeeded: only one that is pending or enqueued can be cancelled.',
    )
    expect(await refusal('retry')).toMatch(/^Name either one delivery by its id, or at least one of --since/)
    expect(await refusal('retry', id, '--state', 'failed')).toMatch(/^Name either one delivery by its id/)
    expect(await refusal('list', '--since', 'yesterday')).toContain(
      'Expected a time such as 2026-11-20T08:30:00Z',
    )
    expect(await refusal('list', '--destination', 'https://x/')).toContain(
      'Expected a host, such as example.com',
    )
    expect(await refusal('list', '--state', 'lost')).toContain('Allowed choices are pending, ')
    expect(await statesOf(ids)).toEqual(['succeeded'])
  })

  it('does and says the same by an API that is named, with the deliveries of whose credential it is', async () => {
    const { ids } = await insertDeliveries('a.example', [
      { state: 'failed', day: 5, error: 'the receiver answered with HTTP 500' },
      { state: 'succeeded', day: 6 },
      { state: 'unknown', day: 7 },
    ])
    const [failed = '', succeeded = ''] = ids
    const nobody = '00000000-0000-4000-8000-000000000000'
    // Both are asked; what they change is put back in between.
    const looks = [
      ['list'],
      ['list', '--state', 'failed', '--since', '2026-11-02', '--destination', 'a.example', '--json'],
      ['list', '--limit', '2', '--quiet'],
      ['show', failed],
      ['show', succeeded, '--json'],
    ]
    const changes = [
      ['show', nobody],
      ['explain', nobody],
      ['retry', succeeded],
      ['cancel', succeeded],
      ['retry', failed],
      ['cancel', failed],
      ['retry', '--destination', 'a.example'],
      ['retry', '--destination', 'b.example'],
    ]

    const url = await startApi()
    const named = { TOCSIN_API_URL: url, TOCSIN_API_TOKEN: apiToken, TOCSIN_HOME: join(home, 'elsewhere') }
    for (const args of looks) {
      expect(await runCli(['deliveries', ...args], named, home)).toEqual(await tocsin(...args))
    }
    for (const args of changes) {
      const before = await db`select id, state, finished_at, due_at from deliveries`
      const byDatabase = { ...(await tocsin(...args)), states: await statesOf(ids) }
      for (const { id, ...row } of before) await db`update deliveries set ${db(row)} where id = ${id}`
      const byApi = { ...(await runCli(['deliveries', ...args], named, home)), states: await statesOf(ids) }
      expect(byApi).toEqual(byDatabase)
    }
  })

  it('says what to do about a database without tables', async () => {
    const empty = await createTestDatabase()
    const { code, stderr } = await runCli(['deliveries', 'list'], {
      DATABASE_URL: empty.url,
      TOCSIN_HOME: home,
    })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^The database lacks migrations: 0001_events, .* Run: tocsin migrate apply$/m)
    await empty.drop()
  })
})
