import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents } from '../support/insert-events.ts'
import { type RunningRole, startRole } from '../support/start-role.ts'
import { startTelegram } from '../support/telegram.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const token = 'a-token-for-tests-only'
const chainId = 8453

let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database
let telegram: Awaited<ReturnType<typeof startTelegram>>
let home: string
let roles: RunningRole[] = []
let api = ''
let block = 0

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  telegram = await startTelegram()
  home = mkdtempSync(join(tmpdir(), 'tocsin-telegram-'))
  const variables = {
    DATABASE_URL: database.url,
    TOCSIN_HOME: home,
    TOCSIN_API_PORT: '0',
    TOCSIN_API_TOKEN: token,
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
  }
  roles = await Promise.all(
    (['api', 'matcher', 'worker', 'bot'] as const).map((role) => startRole(role, variables)),
  )
  api = String(roles[0]?.detail.url)
})
afterAll(async () => {
  await Promise.all(roles.map((role) => role.stop()))
  await telegram?.close()
  await db?.end()
  await database?.drop()
  rmSync(home, { recursive: true, force: true })
})

const post = async (path: string, body: unknown = {}) => {
  const response = await fetch(`${api}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (response.status !== 201) throw new Error(await response.text())
  return (await response.json()) as Record<string, unknown>
}

/** Feedback, each in a new block, and how the deliveries that come of it end. */
const happen = async (...tags: string[]) => {
  const events = tags.map((tag1) => {
    block += 1
    const hash = `0x${String(block).padStart(64, '0')}`
    return sampleEvent('NewFeedback', {
      id: `e-${block}`,
      chain_id: chainId,
      block_number: block,
      block_time: new Date(),
      transaction_hash: hash,
      occurrence: hash,
      tag1,
    })
  })
  await insertEvents(db, events, { chainId, lastBlock: block })
  return until(
    `the deliveries of ${tags} end`,
    async () => {
      const rows = await db`
        select d.state, d.error_message, r.response_data from deliveries d
        left join action_results r on r.delivery_id = d.id
        where d.event_id = any (${events.map(({ id }) => id)}) and d.state in ('succeeded', 'failed', 'cancelled')`
      return rows.length === events.length && rows
    },
    60_000,
  )
}

it('a chat links itself, receives, mutes, unsubscribes, and subscribes again', async () => {
  const ann = telegram.person('123')
  const ask = async (text: string) => {
    const before = ann.messages().length
    ann.say('123', text)
    return (await until(`an answer to ${text}`, () => ann.messages()[before])).text
  }
  await post('/v1/triggers', {
    name: 'Low ratings',
    chain_id: chainId,
    registry: 'reputation',
    conditions: [],
    actions: [
      {
        action_type: 'telegram',
        config: { chat_id: '123', message_template: '<b>{{ event.tag1 }}</b> for {{ event.agent_id }}' },
      },
    ],
  })

  expect((await happen('before'))[0]).toMatchObject({
    state: 'failed',
    error_message: expect.stringContaining('is not linked'),
  })
  expect(ann.messages()).toEqual([])

  const { command } = await post('/v1/telegram/link-codes')
  expect(await ask(String(command))).toContain('Linked')
  expect(await ask('/list')).toBe('• Low ratings (reputation, chain 8453)')

  expect((await happen('<i>quick</i> & "mean"'))[0]).toMatchObject({ state: 'succeeded' })
  const message = ann.messages().at(-1)
  expect(message?.text).toMatch(/^<i>quick<\/i> & "mean" for \d+$/)
  if (message === undefined) throw new Error('no message')

  ann.press('123', message, 1)
  await until('the button is answered', () => telegram.answers.length > 0)
  expect((await happen('muted'))[0]).toMatchObject({
    state: 'succeeded',
    response_data: { skipped: expect.stringContaining('muted until') },
  })
  expect(await ask('/unmute')).toBe('Not muted.')
  expect((await happen('loud'))[0]).toMatchObject({ state: 'succeeded' })
  expect(ann.messages().at(-1)?.text).toMatch(/^loud for/)

  expect(await ask('/unsubscribe')).toContain('Unsubscribed')
  expect((await happen('unwanted'))[0]).toMatchObject({
    state: 'failed',
    error_message: expect.stringContaining('unsubscribed'),
  })
  expect(await ask('/subscribe')).toBe('Subscribed.')
  expect((await happen('wanted'))[0]).toMatchObject({ state: 'succeeded' })
  expect(
    ann
      .messages()
      .filter(({ text }) => / for \d+$/.test(text))
      .map(({ text }) => text.split(' for')[0]),
  ).toEqual(['<i>quick</i> & "mean"', 'loud', 'wanted'])
})

it('a burst from the matcher is brought to the chat within the limits, nothing lost and nothing doubled', async () => {
  const ann = telegram.person('123')
  const before = ann.messages().length
  const tags = Array.from({ length: 12 }, (_, index) => `burst ${index}`)
  await happen(...tags)
  const seen = ann
    .messages()
    .slice(before)
    .map(({ text }) => text.split(' for')[0])
  expect(seen.toSorted()).toEqual(tags.toSorted())
  expect(telegram.counts.tooMany).toBe(0)
  // What waited for its turn was no attempt.
  const attempts =
    await db`select count(*) from action_results r join deliveries d on d.id = r.delivery_id where d.state = 'succeeded'`
  const succeeded = await db`select count(*) from deliveries where state = 'succeeded'`
  expect(attempts).toEqual(succeeded)
})
