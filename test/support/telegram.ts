import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Entity } from '../../worker/telegram/markup.ts'
import { createTelegramLimits } from './telegram-limits.ts'
import { readTelegramText, TelegramRefusal } from './telegram-text.ts'

export type SentMessage = {
  message_id: number
  chat_id: string
  /** What people see. */
  text: string
  entities: Entity[]
  /** As it was sent. */
  payload: Record<string, unknown>
  at: number
}

type Chat = {
  id: string
  kind: 'private' | 'supergroup' | 'group' | 'channel'
  title: string
  admins: Set<string>
  open: boolean
  movedTo?: string
}

type Payload = Record<string, unknown>

const botName = 'tocsin_test_bot'

/**
 * A Bot API server for tests: grammY talks to it as to the real one. It reads markup, keeps limits and refuses in the
 * words of the real one, keeps every message, and lets a test play the people in the chats.
 */
export async function startTelegram(options: { limits?: boolean; token?: string } = {}) {
  const token = options.token ?? '4242:test-token_test-token_test-token'
  const limit = createTelegramLimits()
  const chats = new Map<string, Chat>()
  const messages: SentMessage[] = []
  const answers: { text: string; show_alert: boolean }[] = []
  const counts = { tooMany: 0, refused: 0, calls: {} as Record<string, number> }
  const updates: ({ update_id: number } & Payload)[] = []
  const failures: { status: number; body?: string; parameters?: Payload; afterTaking?: boolean }[] = []
  const waiting = new Set<() => void>()
  const webhook = { url: '', secret: undefined as string | undefined, allowed: [] as string[], refused: 0 }
  let nextUpdate = 1000
  let nextMessage = 1
  let polls = 0

  const findChat = (id: unknown): Chat => {
    const chat = chats.get(String(id))
    if (chat === undefined) throw new TelegramRefusal(400, 'Bad Request: chat not found')
    if (chat.movedTo !== undefined) {
      throw new TelegramRefusal(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
        migrate_to_chat_id: Number(chat.movedTo),
      })
    }
    return chat
  }
  const describeChat = ({ id, kind, title }: Chat) => ({
    id: Number(id),
    type: kind,
    ...(kind === 'private' ? { first_name: title } : { title }),
  })
  const person = (id: string) => ({ id: Number(id), is_bot: false, first_name: `user ${id}` })

  const methods: Record<string, (payload: Payload, signal: AbortSignal) => unknown> = {
    getMe: () => ({
      id: Number(token.split(':')[0]),
      is_bot: true,
      first_name: 'Tocsin',
      username: botName,
      can_join_groups: true,
      can_read_all_group_messages: false,
      supports_inline_queries: false,
    }),
    getUpdates: async ({ offset = 0, timeout = 0, limit: count = 100 }, signal) => {
      if (webhook.url !== '') {
        throw new TelegramRefusal(409, "Conflict: can't use getUpdates method while webhook is active")
      }
      if (polls > 0) {
        throw new TelegramRefusal(409, 'Conflict: terminated by other getUpdates request')
      }
      polls += 1
      try {
        // What the offset passes over is confirmed, and gone.
        while (updates[0] !== undefined && updates[0].update_id < Number(offset)) updates.shift()
        if (updates.length === 0 && Number(timeout) > 0) await somethingNew(Number(timeout) * 1000, signal)
        return updates.slice(0, Number(count))
      } finally {
        polls -= 1
      }
    },
    setWebhook: ({ url, secret_token, allowed_updates }) => {
      webhook.url = String(url)
      webhook.secret = secret_token as string | undefined
      webhook.allowed = (allowed_updates as string[] | undefined) ?? []
      void pushUpdates()
      return true
    },
    deleteWebhook: () => {
      webhook.url = ''
      return true
    },
    getWebhookInfo: () => ({ url: webhook.url, pending_update_count: updates.length }),
    sendMessage: (payload) => {
      const chat = findChat(payload.chat_id)
      const { text, entities } = readTelegramText(payload)
      if (!chat.open) {
        throw new TelegramRefusal(
          403,
          chat.kind === 'private'
            ? 'Forbidden: bot was blocked by the user'
            : `Forbidden: bot was kicked from the ${chat.kind} chat`,
        )
      }
      const wait = options.limits === false ? undefined : limit(chat.id, performance.now())
      if (wait !== undefined) {
        counts.tooMany += 1
        throw new TelegramRefusal(429, `Too Many Requests: retry after ${wait}`, { retry_after: wait })
      }
      const message = {
        message_id: nextMessage++,
        chat_id: chat.id,
        text,
        entities,
        payload,
        at: performance.now(),
      }
      messages.push(message)
      return { message_id: message.message_id, date: 1, chat: describeChat(chat), text, entities }
    },
    answerCallbackQuery: ({ text = '', show_alert = false }) => {
      answers.push({ text: String(text), show_alert: show_alert === true })
      return true
    },
    editMessageReplyMarkup: ({ chat_id, message_id, reply_markup }) => {
      const message = messages.find(
        (sent) => sent.chat_id === String(chat_id) && sent.message_id === message_id,
      )
      if (message === undefined) throw new TelegramRefusal(400, 'Bad Request: message to edit not found')
      message.payload = { ...message.payload, reply_markup }
      return true
    },
    setMyCommands: () => true,
    getChatMember: ({ chat_id, user_id }) => ({
      status: findChat(chat_id).admins.has(String(user_id)) ? 'administrator' : 'member',
      user: person(String(user_id)),
    }),
  }

  const somethingNew = (timeoutMs: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer)
        waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      waiting.add(done)
      signal.addEventListener('abort', done)
    })

  const addUpdate = (update: Payload) => {
    updates.push({ update_id: nextUpdate++, ...update })
    for (const wake of waiting) wake()
    void pushUpdates()
  }

  /** In order, each until it is taken, as Telegram does. */
  let pushing = false
  const pushUpdates = async () => {
    if (pushing) return
    pushing = true
    while (webhook.url !== '' && updates[0] !== undefined) {
      const headers = {
        'content-type': 'application/json',
        ...(webhook.secret === undefined ? {} : { 'x-telegram-bot-api-secret-token': webhook.secret }),
      }
      const body = JSON.stringify(updates[0])
      const taken = await fetch(webhook.url, { method: 'POST', headers, body }).then(
        (response) => response.ok,
        () => false,
      )
      if (taken) updates.shift()
      else {
        webhook.refused += 1
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    pushing = false
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const [, given, method = ''] = /^\/bot([^/]+)\/(\w+)$/.exec(request.url ?? '') ?? []
    counts.calls[method] = (counts.calls[method] ?? 0) + 1
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    try {
      if (given !== token) throw new TelegramRefusal(401, 'Unauthorized')
      const run = methods[method]
      if (run === undefined) throw new TelegramRefusal(404, 'Not Found: method not found')
      const failure = method === 'sendMessage' ? failures.shift() : undefined
      if (failure !== undefined && failure.afterTaking !== true) {
        if (failure.status === 0) return void response.destroy()
        if (failure.body !== undefined) return void response.writeHead(failure.status).end(failure.body)
        throw new TelegramRefusal(failure.status, 'Told to fail', failure.parameters)
      }
      const payload = JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}') as Payload
      const result = await run(payload, gone.signal)
      if (failure !== undefined) return void response.destroy()
      send(response, 200, { ok: true, result })
    } catch (error) {
      if (!(error instanceof TelegramRefusal)) throw error
      counts.refused += 1
      const { code, message: description, parameters } = error
      const more = Object.keys(parameters).length > 0 ? { parameters } : {}
      send(response, code, { ok: false, error_code: code, description, ...more })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const addChat = (chat: Omit<Chat, 'open' | 'admins'> & { admins?: readonly string[] }) => {
    const stored: Chat = { ...chat, open: true, admins: new Set(chat.admins ?? []) }
    chats.set(stored.id, stored)
    const say = (from: string, text: string, more: Payload = {}) => {
      const [command = ''] = /^\/\w+(@\w+)?/.exec(text) ?? []
      const entities = command === '' ? [] : [{ type: 'bot_command', offset: 0, length: command.length }]
      const key = stored.kind === 'channel' ? 'channel_post' : 'message'
      addUpdate({
        [key]: {
          message_id: nextMessage++,
          date: 1,
          chat: describeChat(stored),
          ...(stored.kind === 'channel' ? {} : { from: person(from) }),
          text,
          entities,
          ...more,
        },
      })
    }
    return {
      id: stored.id,
      admins: stored.admins,
      say,
      /** Presses a button of a message by its place. */
      press: (from: string, message: SentMessage, index: number) => {
        const markup = message.payload.reply_markup as { inline_keyboard: { callback_data?: string }[][] }
        const data = markup.inline_keyboard.flat()[index]?.callback_data
        if (data === undefined) throw new Error(`button ${index} asks nothing of the bot`)
        const about = {
          message_id: message.message_id,
          date: 1,
          chat: describeChat(stored),
          text: message.text,
        }
        addUpdate({
          callback_query: {
            id: `${nextUpdate}`,
            from: person(from),
            chat_instance: '1',
            message: about,
            data,
          },
        })
      },
      /** The bot is blocked, or removed from the group; `false`: it is let in again. */
      shut: (shut = true) => {
        stored.open = !shut
        const status = shut ? 'kicked' : 'member'
        const bot = { id: Number(token.split(':')[0]), is_bot: true, first_name: 'Tocsin' }
        addUpdate({
          my_chat_member: {
            chat: describeChat(stored),
            from: person('1'),
            date: 1,
            old_chat_member: { status: shut ? 'member' : 'kicked', user: bot },
            new_chat_member: { status, user: bot, until_date: 0 },
          },
        })
      },
      /** It stops taking messages, and the bot is not told. */
      shutSilently: () => {
        stored.open = false
      },
      /** The group becomes a supergroup with another id. */
      migrate: (newId: string, { tell = false } = {}) => {
        stored.movedTo = newId
        if (tell) say('1', '', { migrate_to_chat_id: Number(newId) })
        return addChat({ id: newId, kind: 'supergroup', title: stored.title, admins: [...stored.admins] })
      },
      messages: () => messages.filter(({ chat_id }) => chat_id === stored.id),
    }
  }

  return {
    token,
    botName,
    apiRoot: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    messages,
    answers,
    counts,
    webhook,
    pendingUpdates: () => updates.length,
    /** How the next calls of sendMessage fail: 0 breaks the connection; `afterTaking`: once the message is out. */
    failNext: (...next: typeof failures) => void failures.push(...next),
    person: (id: string) => addChat({ id, kind: 'private', title: `user ${id}`, admins: [id] }),
    group: (id: string, admins: readonly string[]) =>
      addChat({ id, kind: 'group', title: `group ${id}`, admins }),
    channel: (id: string, admins: readonly string[]) =>
      addChat({ id, kind: 'channel', title: `channel ${id}`, admins }),
    close: async () => {
      webhook.url = ''
      for (const wake of waiting) wake()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
