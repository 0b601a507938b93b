import type { Bot } from 'grammy'
import type { Database } from '../db.ts'
import { muteChat } from '../store/telegram-chats.ts'
import { migrateTelegramChat, unsubscribeTelegramChat } from '../store/telegram-sending.ts'
import { mayDecide } from './chat-of.ts'
import { shortTime } from './commands.ts'

const hourMs = 3_600_000

/** What happens to a chat without a command: buttons, a bot that is thrown out, a group that gets another id. */
export function addChatEvents(bot: Bot, db: Database): void {
  // The button of a message (worker/actions/telegram.ts).
  bot.callbackQuery('mute:1h', async (ctx) => {
    const { chat } = ctx
    if (chat === undefined || !(await mayDecide(ctx))) {
      await ctx.answerCallbackQuery({ text: 'Only an admin can mute this chat.', show_alert: true })
      return
    }
    const until = new Date(Date.now() + hourMs)
    const muted = await muteChat(db, String(chat.id), until)
    await ctx.answerCallbackQuery({
      text: muted.length === 0 ? 'This chat is not linked.' : `Muted until ${shortTime(until)}`,
    })
  })
  bot.on('callback_query', (ctx) => ctx.answerCallbackQuery())

  bot.on('my_chat_member', async (ctx) => {
    const { status } = ctx.myChatMember.new_chat_member
    if (status !== 'kicked' && status !== 'left') return
    const reason = ctx.chat.type === 'private' ? 'the bot was blocked' : 'the bot was removed'
    await unsubscribeTelegramChat(db, [String(ctx.chat.id), reason])
  })

  bot.on('message:migrate_to_chat_id', async (ctx) => {
    await migrateTelegramChat(db, [String(ctx.chat.id), String(ctx.message.migrate_to_chat_id)])
  })
}
