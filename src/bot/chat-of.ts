import type { Context } from 'grammy'
import { storableText } from '../storable-text.ts'
import type { TelegramChat } from '../store/telegram-chats.ts'

/** The chat that an update came from. */
export function chatOf(ctx: Context): Pick<TelegramChat, 'chat_id' | 'kind' | 'title'> {
  const { chat } = ctx
  if (chat === undefined) throw new Error('The update belongs to no chat')
  const name = [chat.first_name, chat.last_name].filter((part) => part !== undefined).join(' ')
  return { chat_id: String(chat.id), kind: chat.type, title: storableText(chat.title ?? name) }
}

/** Whether who sent this may decide for the chat: its only member, one of a group's admins, whoever posts in a channel. */
export async function mayDecide(ctx: Context): Promise<boolean> {
  const { chat, from } = ctx
  if (chat === undefined) return false
  if (chat.type === 'private') return true
  // In a channel only admins post. An admin who stays anonymous speaks as the group itself.
  if (ctx.channelPost !== undefined || ctx.senderChat?.id === chat.id) return true
  if (from === undefined) return false
  const { status } = await ctx.api.getChatMember(chat.id, from.id)
  return status === 'creator' || status === 'administrator'
}
