import { createRoute, z } from '@hono/zod-openapi'
import {
  createLinkCode,
  listChats,
  muteChat,
  readBot,
  readChat,
  type TelegramChat,
  unlinkChat,
} from '../store/telegram-chats.ts'
import { hashLinkCode, linkCodeMs, makeLinkCode } from '../telegram-link-code.ts'
import type { ApiApp } from './app.ts'
import { needs, pageResponse, problemResponses, problems, resourceResponse } from './describe.ts'
import { withIdempotencyKey } from './idempotency.ts'
import { readJsonBody } from './json-body.ts'
import { keyPart, listQuery, sendPage } from './list.ts'
import { invalid, notFound, ProblemError, toProblems } from './problem.ts'

const query = listQuery({}, z.tuple([keyPart.time, keyPart.text]))

const time = z.iso.datetime()

const chatSchema = z.object({
  chat_id: z.string(),
  kind: z.enum(['private', 'group', 'supergroup', 'channel']),
  title: z.string(),
  linked_at: time,
  unsubscribed_at: time.nullable().openapi({ description: 'null: it is subscribed' }),
  unsubscribed_reason: z.string().nullable(),
  muted_until: time.nullable().openapi({ description: 'null, or in the past: it is not muted' }),
})

const linkCodeSchema = z.object({
  code: z.string(),
  expires_at: time,
  command: z.string().openapi({ description: 'What to send to the bot from the chat' }),
  link: z.string().openapi({ description: 'Opens the bot, for a private chat' }),
  group_link: z.string().openapi({ description: 'Adds the bot to a group' }),
})

const timeExpected = 'expected a time such as 2026-11-20T08:30:00Z, or null'
const changeSchema = z.strictObject(
  { muted_until: z.iso.datetime({ offset: true, error: timeExpected }).nullable() },
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? 'unknown; known is muted_until' : 'expected an object',
  },
)

const path = '/v1/telegram/chats'
const onePath = '/v1/telegram/chats/{id}'
const params = z.object({ id: z.string() })
const common = { tags: ['telegram'] }

export function addTelegram(app: ApiApp): void {
  app.openAPIRegistry.register('TelegramChat', chatSchema)
  app.openAPIRegistry.register('TelegramLinkCode', linkCodeSchema)
  app.openAPIRegistry.register('TelegramChatChange', changeSchema)

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:write'),
      ...withIdempotencyKey,
      method: 'post',
      path: '/v1/telegram/link-codes',
      summary: 'Make a code that links one chat to you, within 15 minutes',
      responses: {
        201: resourceResponse('TelegramLinkCode', 'The code, shown once'),
        ...problems(409),
        ...problemResponses,
      },
    }),
    async (c) => {
      const [bot] = await readBot(c.get('db'))
      if (bot === undefined) {
        throw new ProblemError(
          409,
          'There is no Telegram bot yet: set TELEGRAM_BOT_TOKEN and start the role bot.',
        )
      }
      const code = makeLinkCode()
      const [created] = await createLinkCode(c.get('db'), [
        hashLinkCode(code),
        c.get('caller').userId,
        linkCodeMs,
      ])
      const page = `https://t.me/${bot.username}`
      return c.json(
        {
          code,
          expires_at: created?.expires_at,
          command: `/start ${code}`,
          link: `${page}?start=${code}`,
          group_link: `${page}?startgroup=${code}`,
        },
        201,
      )
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:read'),
      method: 'get',
      path,
      summary: 'List the chats that are linked to you, the newest first',
      request: { query },
      responses: { 200: pageResponse('TelegramChat', 'A page of chats'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit } = c.req.valid('query')
      return sendPage(c, await listChats(c.get('db'), c.get('caller').userId, { after: cursor, limit }))
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:read'),
      method: 'get',
      path: onePath,
      summary: 'Read a chat',
      request: { params },
      responses: { 200: resourceResponse('TelegramChat', 'The chat'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      return c.json(
        found(isChatId(id) ? await readChat(c.get('db'), c.get('caller').userId, id) : undefined, id),
        200,
      )
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:write'),
      method: 'patch',
      path: onePath,
      summary: 'Mute a chat until a time, or (null) no longer',
      request: {
        params,
        body: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/TelegramChatChange' } } },
        },
      },
      responses: { 200: resourceResponse('TelegramChat', 'The chat as it is now'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const parsed = changeSchema.safeParse(await readJsonBody(c))
      if (!parsed.success) throw invalid('body', toProblems(parsed.error))
      const { muted_until: until } = parsed.data
      const [chat] = isChatId(id)
        ? await muteChat(c.get('db'), id, until === null ? null : new Date(until), c.get('caller').userId)
        : []
      return c.json(found(chat, id), 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:write'),
      method: 'delete',
      path: onePath,
      summary: 'Unlink a chat: nothing of yours is sent to it',
      request: { params },
      responses: { 204: { description: 'It is not linked any more' }, ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      if (!isChatId(id) || !(await unlinkChat(c.get('db'), c.get('caller').userId, id)))
        throw notFound('chat', id)
      return c.body(null, 204)
    },
  )
}

function isChatId(id: string): boolean {
  return /^-?[1-9]\d{0,18}$/.test(id)
}

function found(chat: TelegramChat | undefined, id: string): TelegramChat {
  if (chat === undefined) throw notFound('chat', id)
  return chat
}
