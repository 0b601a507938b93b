import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { telegramConfigSchema } from '../../src/actions/telegram.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { buildDeliveryScope } from '../../src/delivery-scope.ts'
import { GoneError, HeldBackError, PermanentError, RetryableError } from '../../src/errors.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { takeTelegramSlot } from '../../src/store/telegram-sending.ts'
import { runTelegram } from '../../worker/actions/telegram.ts'
import { createTelegram } from '../../worker/telegram/telegram.ts'
import { sampleEvent } from '../support/events.ts'
import { startTelegram } from '../support/telegram.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database
let telegram: Awaited<ReturnType<typeof startTelegram>>
let trigger: string
let nextDelivery = 1

const signal = new AbortController().signal

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  await db`insert into users (id, username) values ('ann', 'ann'), ('bob', 'bob')`
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  telegram = await startTelegram()
  await db`truncate triggers, deliveries, destinations, telegram_chats, telegram_limits cascade`
  const [row] =
    await db`insert into triggers (user_id, name, chain_id, registry) values ('ann', 'Low <ratings>', 8453, 'reputation') returning id`
  trigger = String(row?.id)
})
afterEach(() => telegram.close())

const link = (chatId: string, userId = 'ann') =>
  db`insert into telegram_chats (chat_id, user_id, kind, title) values (${chatId}, ${userId}, 'private', 'chat')`

const makeDelivery = async (): Promise<string> => {
  const [row] = await db`
    insert into deliveries (trigger_id, occurrence, event_id, block_time, action_type, priority)
    values (${trigger}, ${String(nextDelivery++)}, 'e', now(), 'telegram', 1) returning id`
  return String(row?.id)
}

const createTool = () => createTelegram(db, { token: telegram.token, apiRoot: telegram.apiRoot })

type Options = {
  id?: string
  config?: Record<string, unknown>
  alert?: Record<string, unknown>
  tag1?: string
}

const run = async (
  chatId: string,
  { id, config = {}, alert, tag1 = 'slow' }: Options = {},
  tool = createTool(),
) =>
  runTelegram(
    telegramConfigSchema.parse({ chat_id: chatId, ...config }),
    buildDeliveryScope({
      event: sampleEvent('NewFeedback', { chain_id: 8453, tag1 }),
      trigger: { id: trigger, name: 'Low <ratings>', version: 1 },
      evidence: [],
      delivery: {
        id: id ?? (await makeDelivery()),
        attempt: 1,
        kind: alert === undefined ? 'match' : 'alert',
      },
      alert,
    }),
    { telegram: tool },
    signal,
  )

/** As the worker does: given back when it is held back, and run again when it is due. */
const deliver = async (chatId: string, options: Options = {}, tool = createTool()) => {
  const id = options.id ?? (await makeDelivery())
  let heldBack = 0
  for (;;) {
    try {
      const outcome = await run(chatId, { ...options, id }, tool)
      if (outcome.error !== undefined) throw outcome.error
      return { ...outcome, heldBack }
    } catch (error) {
      if (!(error instanceof HeldBackError)) throw error
      heldBack += 1
      const { dueInMs } = error
      await new Promise((resolve) => setTimeout(resolve, dueInMs))
    }
  }
}

describe('a message', () => {
  it('says what happened, with buttons, and opens no previews', async () => {
    const chat = telegram.person('7')
    await link('7')
    const outcome = await run('7')
    expect(outcome).toEqual({ response: { chat_id: '7', message_ids: [1], parts: 1 }, error: undefined })
    const [message] = chat.messages()
    expect(message?.text).toContain('Low <ratings>\nAgent 7 got feedback on base\n')
    expect(message?.text).toContain('\ntag1: slow\n')
    expect(message?.payload).toMatchObject({
      link_preview_options: { is_disabled: true },
      reply_markup: {
        inline_keyboard: [
          [
            { text: 'Open event', url: expect.stringMatching(/^https:\/\/basescan.org\/tx\/0x/) },
            { text: 'Mute 1 h', callback_data: 'mute:1h' },
          ],
        ],
      },
    })
    expect(message?.payload).not.toHaveProperty('disable_notification')
  })

  it('is silent and without buttons if asked', async () => {
    const chat = telegram.person('7')
    await link('7')
    await run('7', {
      config: { silent: true, buttons: [], parse_mode: 'plain', message_template: 'Hi {{ event.tag1 }}' },
    })
    expect(chat.messages()[0]?.payload).toEqual({
      chat_id: '7',
      text: 'Hi slow',
      disable_notification: true,
      link_preview_options: { is_disabled: true },
    })
  })

  it('of an alert is its text, whatever the template', async () => {
    const chat = telegram.person('7')
    await link('7')
    await run('7', {
      alert: { kind: 'x', message: 'The <webhook> is *gone*' },
      config: { message_template: 'no' },
    })
    expect(chat.messages()[0]).toMatchObject({ text: 'The <webhook> is *gone*', entities: [] })
    expect(JSON.stringify(chat.messages()[0]?.payload)).not.toContain('Open event')
  })
})

describe('who receives', () => {
  it('nothing goes to a chat that is linked to nobody, or to somebody else', async () => {
    telegram.person('7')
    await expect(run('7')).rejects.toThrow(/not linked to the owner of this trigger: get a code with POST/)
    await link('7', 'bob')
    await expect(run('7')).rejects.toBeInstanceOf(PermanentError)
    expect(telegram.messages).toEqual([])
  })

  it('a muted chat gets nothing until the time is over, and that is success', async () => {
    telegram.person('7')
    await link('7')
    await db`update telegram_chats set muted_until = now() + interval '1 hour'`
    expect(await run('7')).toEqual({
      response: { skipped: expect.stringMatching(/^muted until 20/) },
      error: undefined,
    })
    expect(telegram.messages).toEqual([])
    await db`update telegram_chats set muted_until = now() - interval '1 second'`
    await run('7')
    expect(telegram.messages).toHaveLength(1)
  })

  it('a chat that blocks the bot is unsubscribed, and later deliveries do not even try', async () => {
    telegram.person('7').shutSilently()
    await link('7')
    const { error, response } = await run('7')
    expect(error).toBeInstanceOf(GoneError)
    expect(error?.message).toContain('Forbidden: bot was blocked by the user')
    expect(response).toMatchObject({ error_code: 403 })
    const calls = telegram.counts.calls.sendMessage
    await expect(run('7')).rejects.toBeInstanceOf(GoneError)
    expect(telegram.counts.calls.sendMessage).toBe(calls)
  })

  it('a group that became a supergroup is followed: the message, the link and the actions', async () => {
    const supergroup = telegram.group('-5', []).migrate('-1005')
    await link('-5')
    await db`
      insert into trigger_actions (trigger_id, position, action_type, config)
      values (${trigger}, 0, 'telegram', '{"chat_id": "-5", "silent": true}')`
    const outcome = await run('-5')
    expect(outcome).toMatchObject({ error: undefined, response: { chat_id: '-1005' } })
    expect(supergroup.messages()).toHaveLength(1)
    expect(await db`select chat_id, kind from telegram_chats`).toEqual([
      { chat_id: '-1005', kind: 'supergroup' },
    ])
    const [action] = await db`
      select a.config, d.address from trigger_actions a join destinations d on d.id = a.destination_id`
    expect(action).toEqual({ config: { chat_id: '-1005', silent: true }, address: '-1005' })
  })
})

describe('what Telegram refuses', () => {
  it.each([
    ['a chat that is not there', undefined, {}, PermanentError, '400 Bad Request: chat not found'],
    [
      'bad markup',
      undefined,
      { message_template: '<b>x' },
      PermanentError,
      `can't parse entities: Can't find end tag`,
    ],
    [
      'nothing',
      undefined,
      { message_template: ' {{ event.tag2 | slice: 0, 0 }}' },
      PermanentError,
      'message text is empty',
    ],
    ['a failure', { status: 502 }, {}, RetryableError, '502'],
    [
      'a page of a proxy',
      { status: 502, body: '<html>' },
      {},
      RetryableError,
      'the answer is not from a Bot API server',
    ],
    ['a broken connection', { status: 0 }, {}, RetryableError, 'Telegram could not be reached: ECONNRESET'],
    ['a limit', { status: 429, parameters: { retry_after: 3 } }, {}, RetryableError, 'Telegram asks to wait'],
    ['the token', { status: 401 }, {}, RetryableError, 'correct TELEGRAM_BOT_TOKEN'],
  ])('%s is an error of the right kind', async (what, failure, config, kind, message) => {
    if (what !== 'a chat that is not there') telegram.person('7')
    await link('7')
    if (failure !== undefined) telegram.failNext(failure)
    const { error } = await run('7', { config })
    expect(error).toBeInstanceOf(kind)
    expect(error?.message).toContain(message)
    if (what === 'a limit') expect((error as RetryableError).retryAfterMs).toBe(3000)
  })

  it('the token is in no error', async () => {
    await link('7')
    const { token } = telegram
    const dead = createTelegram(db, { token, apiRoot: 'http://127.0.0.1:9' })
    const { error, response } = await run('7', {}, dead)
    expect(error?.message).toBe('Telegram could not be reached: ECONNREFUSED')
    expect(JSON.stringify([response, error?.message, error?.stack, String(error?.cause)])).not.toContain(
      'test-token',
    )
  })

  it('a 429 keeps the chat quiet for as long as was asked, and the bot once a second chat is refused', async () => {
    for (const id of ['7', '8', '9']) {
      telegram.person(id)
      await link(id)
    }
    telegram.failNext({ status: 429, parameters: { retry_after: 30 } })
    await run('7')
    const held = await run('7').catch((error: unknown) => error)
    expect(held).toBeInstanceOf(HeldBackError)
    expect((held as HeldBackError).dueInMs).toBeGreaterThan(28_000)
    expect((await run('8')).error).toBeUndefined()
    telegram.failNext({ status: 429, parameters: { retry_after: 20 } })
    await deliver('8').catch(() => {})
    await expect(run('9')).rejects.toBeInstanceOf(HeldBackError)
  })
})

describe('a long message', () => {
  const config = { message_template: `<b>{% for i in (1..1200) %}line {{ i }}\n{% endfor %}</b>` }

  it('comes in parts, in order, a second apart, with the buttons under the last one', async () => {
    const chat = telegram.person('7')
    await link('7')
    await deliver('7', { config })
    const parts = chat.messages()
    expect(parts).toHaveLength(3)
    const whole = Array.from({ length: 1200 }, (_, index) => `line ${index + 1}`).join('\n')
    expect(parts.map(({ text }) => text).join('\n')).toBe(whole)
    for (const { text, entities } of parts) {
      expect(text.length).toBeLessThanOrEqual(4096)
      expect(entities).toEqual([{ type: 'bold', offset: 0, length: text.length }])
    }
    expect(parts.map(({ payload }) => 'reply_markup' in payload)).toEqual([false, false, true])
    expect(telegram.counts.tooMany).toBe(0)
    expect(await db`select from telegram_progress`).toHaveLength(0)
  })

  it('goes on where it was broken off, also when the template was changed meanwhile', async () => {
    const chat = telegram.person('7')
    await link('7')
    const id = await makeDelivery()
    // The first part goes out; the second waits for its turn, and then fails.
    await expect(run('7', { id, config })).rejects.toBeInstanceOf(HeldBackError)
    telegram.failNext({ status: 500 })
    await expect(deliver('7', { id, config })).rejects.toBeInstanceOf(RetryableError)
    await deliver('7', { id, config: { message_template: 'changed' } })
    const firsts = chat.messages().map(({ text }) => text.split('\n')[0])
    expect(firsts).toEqual(['line 1', 'line 468', 'line 923'])
  })
})

describe('limits', () => {
  it('100 messages to 5 chats from two workers: as fast as the limits allow, and never a 429', async () => {
    const ids = ['1', '2', '3', '4', '5']
    for (const id of ids) {
      telegram.person(id)
      await link(id)
    }
    const workers = [createTool(), createTool()]
    const begun = performance.now()
    const done = await Promise.all(
      Array.from({ length: 100 }, (_, index) => deliver(ids[index % 5] as string, {}, workers[index % 2])),
    )
    const seconds = (performance.now() - begun) / 1000
    expect(telegram.counts.tooMany).toBe(0)
    expect(telegram.messages).toHaveLength(100)
    expect(seconds).toBeGreaterThan(18.5)
    expect(seconds).toBeLessThan(27)
    // A queue of 20 in each chat: looked at about once each, not each time somebody had his turn.
    const heldBack = done.reduce((sum, outcome) => sum + outcome.heldBack, 0)
    expect(heldBack).toBeLessThan(200)
    console.log(`100 messages to 5 chats: ${seconds.toFixed(1)} s, held back ${heldBack} times`)
  }, 60_000)

  it('50 chats at once: 30 a second, and never a 429', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => String(100 + index))
    for (const id of ids) {
      telegram.person(id)
      await link(id)
    }
    const tool = createTool()
    await Promise.all(ids.map((id) => deliver(id, {}, tool)))
    expect(telegram.counts.tooMany).toBe(0)
    const times = telegram.messages.map(({ at }) => at)
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(1_500)
  })

  it('any second has at most 30 slots of the bot and any minute at most 20 of a group, whatever asks', async () => {
    const start = Date.UTC(2030, 0, 1)
    const granted: { chat: string; at: number }[] = []
    const chats = ['-1', ...Array.from({ length: 40 }, (_, index) => String(index + 1))]
    await db.begin(async (tx) => {
      for (let step = 0; step < 4000; step++) {
        const at = start + step * 20
        const chat = chats[step % 2 === 0 ? 0 : (step * 7) % chats.length] as string
        const [slot] = await tx`select * from take_telegram_slot('1', ${chat}, null, 250, ${new Date(at)})`
        if (slot?.taken) granted.push({ chat, at: at + slot.wait_ms })
      }
    })
    const most = (times: number[], windowMs: number) =>
      Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + windowMs).length))
    const times = (chat?: string) =>
      granted.filter((slot) => chat === undefined || slot.chat === chat).map(({ at }) => at)
    expect(most(times(), 1000)).toBeLessThanOrEqual(30)
    expect(most(times(), 1000)).toBeGreaterThan(25)
    expect(most(times('-1'), 60_000)).toBeLessThanOrEqual(20)
    expect(most(times('-1'), 60_000)).toBeGreaterThan(18)
    for (const chat of chats) expect(most(times(chat), 1000)).toBeLessThanOrEqual(1)
  })

  it('who waits goes before who comes new, each at a turn of his own', async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, makeDelivery))
    const waits: number[] = []
    for (const id of ids) {
      const [slot] = await takeTelegramSlot(db, ['1', '7', id, 250])
      waits.push(slot?.wait_ms ?? -1)
    }
    expect(waits[0]).toBe(0)
    for (const [index, wait] of waits.entries()) {
      expect(wait).toBeLessThanOrEqual(index * 1030)
      expect(wait).toBeGreaterThan(index * 1000 - 500)
    }
    // The first of the queue has its turn now; somebody new would fit in, but has to queue.
    await db`update telegram_progress set turn_at = turn_at - interval '1 second'`
    await db`update telegram_limits set next_at = next_at - interval '1 second'`
    const [fresh] = await takeTelegramSlot(db, ['1', '7', await makeDelivery(), 250])
    expect(fresh?.taken).toBe(false)
    const [first] = await until('its turn has come', async () => {
      const slots = await takeTelegramSlot(db, ['1', '7', ids[1], 250])
      return slots[0]?.taken === true && slots
    })
    expect(first?.taken).toBe(true)
  })

  it('a queue whose deliveries were cancelled keeps nobody waiting', async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, makeDelivery))
    for (const id of ids) await takeTelegramSlot(db, ['1', '7', id, 250])
    await db`update deliveries set state = 'cancelled'`
    const [slot] = await takeTelegramSlot(db, ['1', '7', await makeDelivery(), 250])
    expect(slot?.wait_ms).toBeLessThanOrEqual(1000)
  })
})
