import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { findFreePort } from '../../src/free-port.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { runCli } from '../support/run-cli.ts'
import { testSecrets } from '../support/secrets.ts'
import { type RunningRole, startRole } from '../support/start-role.ts'
import { startTelegram } from '../support/telegram.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const apiToken = 'a-token-for-tests-only'
const log = createLog({ level: 'silent', format: 'json' }, 'test')

let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database
let telegram: Awaited<ReturnType<typeof startTelegram>>
let app: ReturnType<typeof createApp>
let home: string
let userId: string
const bots: RunningRole[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  userId = await ensureUser(db, 'bootstrap')
  app = createApp({ db, log, secrets: testSecrets, token: apiToken, userId })
  home = mkdtempSync(join(tmpdir(), 'tocsin-bot-'))
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
  rmSync(home, { recursive: true, force: true })
})
beforeEach(async () => {
  // The limits have a test of their own; here people type faster.
  telegram = await startTelegram({ limits: false })
  await db`truncate triggers, telegram_chats, telegram_link_codes, telegram_bots, telegram_limits, destinations cascade`
})
afterEach(async () => {
  await Promise.all(bots.splice(0).map((bot) => bot.stop()))
  await telegram.close()
})

const variables = (more: Record<string, string> = {}) => ({
  DATABASE_URL: database.url,
  TOCSIN_HOME: home,
  TELEGRAM_BOT_TOKEN: telegram.token,
  TELEGRAM_API_ROOT: telegram.apiRoot,
  ...more,
})

const startBot = async (more: Record<string, string> = {}) => {
  const bot = await startRole('bot', variables(more))
  bots.push(bot)
  return bot
}

const request = (method: string, path: string, body?: unknown) =>
  app.request(path, {
    method,
    headers: { authorization: `Bearer ${apiToken}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

const newCode = async () =>
  (await (await request('POST', '/v1/telegram/link-codes')).json()) as { code: string; link: string }

type Player = ReturnType<typeof telegram.person>

/** Says something, and waits for the answer. */
const ask = async (chat: Player, text: string, from = '1') => {
  const before = chat.messages().length
  await db`delete from telegram_limits`
  chat.say(from, text)
  const answer = await until(`an answer to ${text}`, () => chat.messages()[before])
  return answer.text
}

const link = async (chat: Player, from = '1') => ask(chat, `/start ${(await newCode()).code}`, from)

describe('linking', () => {
  it('a code links one chat to its user, once', async () => {
    await startBot()
    const ann = telegram.person('1')
    const bob = telegram.person('2')
    const { code, link: url } = await newCode()
    expect(code).toMatch(/^[\w-]{22}$/)
    expect(url).toBe(`https://t.me/${telegram.botName}?start=${code}`)
    expect(await ask(ann, `/start ${code}`)).toContain(
      'Linked. Triggers with this chat_id send here from now on: 1',
    )
    expect(await ask(bob, `/start ${code}`)).toContain('not known, used up, or older than 15 minutes')
    const { data } = (await (await request('GET', '/v1/telegram/chats')).json()) as { data: unknown[] }
    expect(data).toEqual([
      expect.objectContaining({
        chat_id: '1',
        kind: 'private',
        title: 'user 1',
        unsubscribed_at: null,
        muted_until: null,
      }),
    ])
    expect(await db`select from telegram_link_codes`).toHaveLength(0)
    // The same update may come twice.
    expect(await ask(ann, `/start ${code}`)).toContain('This chat is linked')
  })

  it('a code is kept as a hash, and is good for 15 minutes', async () => {
    await startBot()
    const ann = telegram.person('1')
    const { code } = await newCode()
    const [row] = await db`select * from telegram_link_codes`
    expect(JSON.stringify(row)).not.toContain(code)
    await db`update telegram_link_codes set expires_at = expires_at - interval '15 minutes'`
    expect(await ask(ann, `/start ${code}`)).toContain('older than 15 minutes')
    expect(await db`select from telegram_chats`).toHaveLength(0)
  })

  it('in a group, only an admin can link, mute, or unsubscribe; anybody can ask', async () => {
    await startBot()
    const group = telegram.group('-77', ['1'])
    expect(await ask(group, `/start@${telegram.botName} ${(await newCode()).code}`, '2')).toBe(
      'Only an admin of this group can do that.',
    )
    expect(await link(group)).toContain('Linked')
    expect(await ask(group, '/mute', '2')).toContain('Only an admin')
    expect(await ask(group, '/unsubscribe', '2')).toContain('Only an admin')
    expect(await ask(group, '/status', '2')).toContain('Subscribed')
    expect(await ask(group, '/unsubscribe', '1')).toContain('Unsubscribed')
  })

  it('whoever posts in a channel may link it', async () => {
    await startBot()
    expect(await link(telegram.channel('-88', []))).toContain('Linked')
    expect(await db`select kind from telegram_chats`).toEqual([{ kind: 'channel' }])
  })

  it('there are no codes before a bot was started', async () => {
    const response = await request('POST', '/v1/telegram/link-codes')
    expect(response.status).toBe(409)
    expect(await response.text()).toContain('TELEGRAM_BOT_TOKEN')
  })
})

describe('commands', () => {
  it('say what they did', async () => {
    await startBot()
    const ann = telegram.person('1')
    for (const text of ['/list', '/mute', '/unmute', '/status', '/subscribe', '/unsubscribe']) {
      expect(await ask(ann, text)).toContain('This chat is not linked')
    }
    await link(ann)
    expect(await ask(ann, '/list')).toBe('No trigger sends here. Give one this chat_id: 1')
    const [trigger] = await db`
      insert into triggers (user_id, name, chain_id, registry) values (${userId}, 'Low ratings', 1, 'reputation') returning id`
    await db`insert into trigger_actions (trigger_id, position, action_type, config) values (${trigger?.id}, 0, 'telegram', '{"chat_id": "1"}')`
    expect(await ask(ann, '/list')).toBe('• Low ratings (reputation, chain 1)')
    expect(await ask(ann, '/mute 2d')).toMatch(/^Muted until 20\d\d-\d\d-\d\d \d\d:\d\d UTC/)
    const [muted] =
      await db`select extract(epoch from muted_until - now()) / 3600 as hours from telegram_chats`
    expect(Number(muted?.hours)).toBeCloseTo(48, 1)
    expect(await ask(ann, '/status')).toContain('Muted until')
    expect(await ask(ann, '/mute forever')).toContain('For how long?')
    expect(await ask(ann, '/unmute')).toBe('Not muted.')
    expect(await ask(ann, '/unsubscribe')).toContain('Unsubscribed')
    expect(await ask(ann, '/status')).toContain('(/unsubscribe)')
    await db`update destinations set disabled_at = now(), disabled_reason = 'gone'`
    await db`insert into alerts (user_id, kind, destination_id, message) select user_id, 'gone', id, 'gone' from destinations`
    expect(await ask(ann, '/subscribe')).toBe('Subscribed.')
    expect(await db`select disabled_at, disabled_reason from destinations`).toEqual([
      { disabled_at: null, disabled_reason: null },
    ])
    expect(await db`select from alerts where resolved_at is null`).toEqual([])
    for (const text of ['/help', '/nonsense', 'hello?'])
      expect(await ask(ann, text)).toContain('/unsubscribe – no more messages')
  })

  it('of other bots in a group are left alone', async () => {
    await startBot()
    const group = telegram.group('-77', ['1'])
    group.say('1', '/nonsense')
    group.say('1', '/help@another_bot')
    expect(await ask(group, '/help')).toContain('/start <code>')
    expect(group.messages()).toHaveLength(1)
  })

  it('a button mutes for an hour; in a group only for an admin', async () => {
    await startBot()
    const group = telegram.group('-77', ['1'])
    await link(group)
    const message = group.messages()[0]
    if (message === undefined) throw new Error('no message')
    message.payload = {
      reply_markup: { inline_keyboard: [[{ text: 'Mute 1 h', callback_data: 'mute:1h' }]] },
    }
    group.press('2', message, 0)
    await until('an answer', () => telegram.answers[0])
    expect(telegram.answers[0]).toEqual({ text: 'Only an admin can mute this chat.', show_alert: true })
    group.press('1', message, 0)
    await until('an answer', () => telegram.answers[1])
    expect(telegram.answers[1]?.text).toMatch(/^Muted until/)
    expect(
      await db`select from telegram_chats where muted_until > now() + interval '59 minutes'`,
    ).toHaveLength(1)
  })
})

describe('what happens to a chat', () => {
  it('who blocks the bot is unsubscribed, and subscribed again by Start', async () => {
    await startBot()
    const ann = telegram.person('1')
    await link(ann)
    ann.shut()
    const reason = () => db`select unsubscribed_reason as reason from telegram_chats`
    await until('it is unsubscribed', async () => (await reason())[0]?.reason === 'the bot was blocked')
    ann.shut(false)
    expect(await ask(ann, '/start')).toContain('This chat is linked')
    expect(await reason()).toEqual([{ reason: null }])
  })

  it('a group that gets another id stays linked', async () => {
    await startBot()
    const group = telegram.group('-77', ['1'])
    await link(group)
    const supergroup = group.migrate('-10077', { tell: true })
    await until(
      'the link moved',
      async () => (await db`select from telegram_chats where chat_id = '-10077'`).length === 1,
    )
    expect(await ask(supergroup, '/status')).toContain('Chat -10077, linked')
  })

  it('an update that cannot be answered does not keep the others from it', async () => {
    await startBot()
    const ann = telegram.person('1')
    const bob = telegram.person('2')
    ann.shutSilently()
    ann.say('1', '/help')
    expect(await ask(bob, '/help')).toContain('/start <code>')
  })
})

describe('the process', () => {
  it('of two, one works; when it is killed the other takes over, and no update is lost', async () => {
    const first = await startBot()
    const ann = telegram.person('1')
    await link(ann)
    await startBot()
    expect(await ask(ann, '/status')).toContain('Subscribed')
    expect(telegram.counts.calls.getMe).toBe(2)
    expect(telegram.counts.refused).toBe(0)
    await first.kill()
    ann.say('1', '/mute 1h')
    // Not the next answer: what the first one answered and did not confirm any more is answered again.
    await until('the other one mutes', () => ann.messages().some(({ text }) => text.includes('Muted')))
    expect(telegram.counts.calls.setMyCommands).toBe(2)
  })

  it('what came while no bot ran is answered later', async () => {
    const ann = telegram.person('1')
    ann.say('1', '/help')
    await startBot()
    await until('an answer', () => ann.messages()[0])
  })

  it('what the database could not take ends it, and comes again', async () => {
    const ann = telegram.person('1')
    const bot = await startBot()
    await link(ann)
    await db`alter table telegram_chats rename to telegram_chats_away`
    ann.say('1', '/unsubscribe')
    await until('the bot ends', () => bot.child.exitCode !== null)
    await db`alter table telegram_chats_away rename to telegram_chats`
    expect(bot.child.exitCode).toBe(1)
    bots.splice(0)
    await startBot()
    await until('an answer', () => ann.messages().some(({ text }) => text.startsWith('Unsubscribed')))
  })

  it('its answers keep the limits too', async () => {
    const strict = await startTelegram()
    await startBot({ TELEGRAM_API_ROOT: strict.apiRoot, TELEGRAM_BOT_TOKEN: strict.token })
    const ann = strict.person('1')
    for (let count = 0; count < 4; count++) ann.say('1', '/help')
    await until('four answers', () => ann.messages().length === 4)
    expect(strict.counts.tooMany).toBe(0)
    await Promise.all(bots.splice(0).map((running) => running.stop()))
    await strict.close()
  })

  it('by webhook: only with the secret, and what could not be handled is brought again', async () => {
    const port = await findFreePort()
    await startBot({
      TELEGRAM_WEBHOOK_URL: `http://127.0.0.1:${port}/hook`,
      TELEGRAM_WEBHOOK_LISTEN: `127.0.0.1:${port}`,
    })
    await until('the webhook is set', () => telegram.webhook.url !== '')
    const ann = telegram.person('1')
    expect(await link(ann)).toContain('Linked')
    expect(telegram.counts.calls.getUpdates).toBeUndefined()
    expect(telegram.webhook.allowed).toEqual(['message', 'channel_post', 'callback_query', 'my_chat_member'])

    const update = {
      update_id: 1,
      message: { message_id: 1, date: 1, chat: { id: 1, type: 'private' }, text: '/unsubscribe' },
    }
    for (const secret of ['', 'wrong', (telegram.webhook.secret ?? '').slice(1)]) {
      const response = await fetch(telegram.webhook.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret },
        body: JSON.stringify(update),
      })
      expect(response.status).toBe(401)
    }
    expect(await db`select from telegram_chats where unsubscribed_at is null`).toHaveLength(1)

    await db`alter table telegram_chats rename to telegram_chats_away`
    const before = telegram.webhook.refused
    ann.say('1', '/status')
    await until('the webhook refused', () => telegram.webhook.refused > before)
    await db`alter table telegram_chats_away rename to telegram_chats`
    await until('an answer', () => ann.messages().some(({ text }) => text.includes('Subscribed')))
  })

  it('goes back to polling: the webhook is removed', async () => {
    telegram.webhook.url = 'http://127.0.0.1:9/'
    await startBot()
    expect(await ask(telegram.person('1'), '/help')).toContain('/start <code>')
  })

  it('a wrong token ends it with exit code 2 and the name of the setting, and is shown nowhere', async () => {
    const wrong = '4242:wrong-token_wrong-token_wrong'
    const { code, stdout, stderr } = await runCli(['bot'], variables({ TELEGRAM_BOT_TOKEN: wrong }), home)
    expect(code).toBe(2)
    expect(stderr).toContain('TELEGRAM_BOT_TOKEN: Telegram does not know this token (401 Unauthorized)')
    expect(stdout + stderr).not.toContain('wrong-token')
    const none = await runCli(['bot'], { DATABASE_URL: database.url, TOCSIN_HOME: home }, home)
    expect(none.code).toBe(2)
    expect(none.stderr).toContain('TELEGRAM_BOT_TOKEN: missing')
  })

  it('a token that nobody answers for is in no error', async () => {
    const { token } = telegram
    const start = startRole('bot', variables({ TELEGRAM_API_ROOT: 'http://127.0.0.1:9' }))
    const message = await start.then(
      () => '',
      (error: Error) => error.message,
    )
    expect(message).toContain('Cannot reach Telegram at 127.0.0.1:9')
    expect(message).not.toContain(token.split(':')[1])
  })
})

describe('the API', () => {
  it('mutes, unmutes and unlinks a chat', async () => {
    await db`insert into telegram_chats (chat_id, user_id, kind, title) values ('-5', ${userId}, 'group', 'G')`
    const until = '2030-01-01T00:00:00.000Z'
    const muted = await request('PATCH', '/v1/telegram/chats/-5', { muted_until: until })
    expect([muted.status, await muted.json()]).toEqual([
      200,
      expect.objectContaining({ chat_id: '-5', muted_until: until }),
    ])
    const unmuted = await request('PATCH', '/v1/telegram/chats/-5', { muted_until: null })
    expect(await unmuted.json()).toMatchObject({ muted_until: null })
    expect((await request('PATCH', '/v1/telegram/chats/-5', { muted: true })).status).toBe(400)
    expect((await request('PATCH', '/v1/telegram/chats/-5', { muted_until: 'soon' })).status).toBe(400)
    expect((await request('GET', '/v1/telegram/chats/-5')).status).toBe(200)
    expect((await request('DELETE', '/v1/telegram/chats/-5')).status).toBe(204)
    for (const id of ['-5', '6', 'x', '%00']) {
      expect((await request('DELETE', `/v1/telegram/chats/${id}`)).status).toBe(404)
      expect((await request('GET', `/v1/telegram/chats/${id}`)).status).toBe(404)
    }
  })

  it('lists chats in pages', async () => {
    for (let id = 1; id <= 5; id++) {
      await db`insert into telegram_chats (chat_id, user_id, kind, title, linked_at) values (${String(id)}, ${userId}, 'private', 'P', now() + ${id} * interval '1 second')`
    }
    type Page = { data: { chat_id: string }[]; next_cursor: string | null }
    const first = (await (await request('GET', '/v1/telegram/chats?limit=3')).json()) as Page
    const rest = (await (
      await request('GET', `/v1/telegram/chats?limit=3&cursor=${first.next_cursor}`)
    ).json()) as Page
    expect([...first.data, ...rest.data].map(({ chat_id }) => chat_id)).toEqual(['5', '4', '3', '2', '1'])
    expect(rest.next_cursor).toBeNull()
  })
})
