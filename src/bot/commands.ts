import type { Bot, CommandContext, Context } from 'grammy'
import type { Database } from '../db.ts'
import {
  countChatDeliveries,
  linkChat,
  listChatTriggers,
  muteChat,
  readChatLinks,
  subscribeChat,
  type TelegramChat,
} from '../store/telegram-chats.ts'
import { unsubscribeTelegramChat } from '../store/telegram-sending.ts'
import { hashLinkCode } from '../telegram-link-code.ts'
import { chatOf, mayDecide } from './chat-of.ts'
import { parseMuteMs } from './parse-mute.ts'

/** What Telegram shows when somebody types `/`. */
export const commandList = [
  { command: 'list', description: 'the triggers that send here' },
  { command: 'mute', description: 'silence for an hour, or as long as you say: /mute 8h' },
  { command: 'unmute', description: 'messages again' },
  { command: 'status', description: 'whether this chat is linked, muted, subscribed' },
  { command: 'subscribe', description: 'messages again after /unsubscribe' },
  { command: 'unsubscribe', description: 'no more messages' },
  { command: 'help', description: 'what I can do' },
]

const help = [
  'I tell you what happens to AI agents on chain, as the triggers in your Tocsin say.',
  '',
  '/start <code> – link this chat. POST /v1/telegram/link-codes gives you the code.',
  ...commandList.map(({ command, description }) => `/${command} – ${description}`),
].join('\n')

const notLinked =
  'This chat is not linked. Get a code with POST /v1/telegram/link-codes and send /start <code>.'
const adminsOnly = 'Only an admin of this group can do that.'

/** What the bot does when it is spoken to. Every command is safe to repeat: an update may come twice. */
export function addCommands(bot: Bot, db: Database): void {
  type Handler = (ctx: CommandContext<Context>) => Promise<string>
  const command = (name: string, handle: Handler, { decides = false } = {}) =>
    bot.command(name, async (ctx) => {
      await ctx.reply(decides && !(await mayDecide(ctx)) ? adminsOnly : await handle(ctx))
    })

  command(
    'start',
    async (ctx) => {
      const chat = chatOf(ctx)
      const code = ctx.match.trim()
      if (code !== '' && (await linkChat(db, hashLinkCode(code), chat))) {
        return `Linked. Triggers with this chat_id send here from now on: ${chat.chat_id}`
      }
      const links = await readChatLinks(db, chat.chat_id)
      if (code !== '' && links.length === 0) {
        return 'This code is not known, used up, or older than 15 minutes. Get a new one.'
      }
      if (links.length === 0) return `${help}\n\n${notLinked}`
      // Who blocked the bot and comes back presses Start.
      await subscribeChat(db, chat.chat_id)
      return `This chat is linked. Its id is ${chat.chat_id}.`
    },
    { decides: true },
  )
  command(
    'subscribe',
    async (ctx) => ((await subscribeChat(db, chatOf(ctx).chat_id)) ? 'Subscribed.' : notLinked),
    { decides: true },
  )
  command(
    'unsubscribe',
    async (ctx) => {
      const { chat_id } = chatOf(ctx)
      if ((await readChatLinks(db, chat_id)).length === 0) return notLinked
      await unsubscribeTelegramChat(db, [chat_id, '/unsubscribe'])
      return 'Unsubscribed: nothing is sent here any more. /subscribe brings it back.'
    },
    { decides: true },
  )
  command(
    'mute',
    async (ctx) => {
      const muteMs = parseMuteMs(ctx.match)
      if (muteMs === undefined) return 'For how long? /mute 30m, /mute 8h or /mute 2d, up to 30 days.'
      const until = new Date(Date.now() + muteMs)
      const muted = await muteChat(db, chatOf(ctx).chat_id, until)
      return muted.length === 0 ? notLinked : `Muted until ${shortTime(until)}. /unmute ends it.`
    },
    { decides: true },
  )
  command(
    'unmute',
    async (ctx) => ((await muteChat(db, chatOf(ctx).chat_id, null)).length === 0 ? notLinked : 'Not muted.'),
    { decides: true },
  )
  command('list', async (ctx) => {
    const { chat_id } = chatOf(ctx)
    const triggers = await listChatTriggers(db, [chat_id])
    if (triggers.length > 0) return describeTriggers(triggers)
    const linked = (await readChatLinks(db, chat_id)).length > 0
    return linked ? `No trigger sends here. Give one this chat_id: ${chat_id}` : notLinked
  })
  command('status', async (ctx) => {
    const { chat_id } = chatOf(ctx)
    const [chat] = await readChatLinks(db, chat_id)
    if (chat === undefined) return notLinked
    const [counts] = await countChatDeliveries(db, [chat_id])
    return describeChat(chat, counts)
  })
  command('help', async () => help)

  // In a group, commands that are none of ours may be meant for another bot.
  bot.chatType('private').on('message', (ctx) => ctx.reply(help))
}

function describeTriggers(triggers: Awaited<ReturnType<typeof listChatTriggers>>): string {
  const lines = triggers
    .slice(0, 50)
    // 50 of these stay within one message.
    .map(({ name, enabled, chain_id, registry }) => {
      const short = name.length > 50 ? `${name.slice(0, 49).toWellFormed()}…` : name
      return `• ${short} (${registry}, chain ${chain_id}${enabled ? '' : ', off'})`
    })
  return [...lines, ...(triggers.length > 50 ? ['… and more'] : [])].join('\n')
}

function describeChat(
  chat: TelegramChat,
  counts: { succeeded: number; failed: number; waiting: number } | undefined,
): string {
  const { chat_id, linked_at, unsubscribed_at, unsubscribed_reason, muted_until } = chat
  const isMuted = muted_until !== null && muted_until.getTime() > Date.now()
  return [
    `Chat ${chat_id}, linked since ${shortTime(linked_at)}`,
    unsubscribed_at === null
      ? 'Subscribed'
      : `Unsubscribed since ${shortTime(unsubscribed_at)} (${unsubscribed_reason})`,
    isMuted ? `Muted until ${shortTime(muted_until)}` : 'Not muted',
    `Last 24 hours: ${counts?.succeeded ?? 0} sent, ${counts?.waiting ?? 0} waiting, ${counts?.failed ?? 0} failed`,
  ].join('\n')
}

/** `2026-11-20 08:30 UTC` */
export function shortTime(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
