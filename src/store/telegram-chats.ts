import type { Queryable } from '../db.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

/** A chat that linked itself to a user. */
export type TelegramChat = {
  chat_id: string
  kind: 'private' | 'group' | 'supergroup' | 'channel'
  title: string
  linked_at: Date
  /** null: it is subscribed. */
  unsubscribed_at: Date | null
  unsubscribed_reason: string | null
  muted_until: Date | null
}

export type ChatTrigger = { id: string; name: string; enabled: boolean; chain_id: number; registry: string }

const selectChats = query<TelegramChat & { page_key: string[] }>('manage/read-telegram-chats')
const updateMuted = query<TelegramChat>('manage/mute-telegram-chat')
const insertLink = query<{ user_id: string }>('manage/link-telegram-chat')
const clearUnsubscribed = query<{ user_id: string }>('manage/subscribe-telegram-chat')
const reopen = query<never>('manage/reopen-telegram-chat')
const deleteLink = query<{ chat_id: string }>('manage/unlink-telegram-chat')

/** Parameters: SHA-256 of the code, user id, for how long it is good, in ms. */
export const createLinkCode = query<{ expires_at: Date }>('manage/create-telegram-link-code')

/** Parameters: chat id. At most 51. */
export const listChatTriggers = query<ChatTrigger>('manage/list-telegram-chat-triggers')

/** Parameters: chat id. Of the last day. */
export const countChatDeliveries = query<{ succeeded: number; failed: number; waiting: number }>(
  'manage/count-telegram-deliveries',
)

/** Parameters: bot id, its name. */
export const writeBot = query<never>('manage/write-telegram-bot')

/** No row: no bot has been started yet. */
export const readBot = query<{ username: string }>('manage/read-telegram-bot')

/** Parameters: bot id. On a connection that nothing else uses: who holds the lock is the one that runs the bot. */
export const takeBotLock = query<{ held: boolean }>('manage/take-telegram-lock')

/** Links a chat to the user whose code this is, and uses the code up. `false`: there is no such code, or it is too old. */
export async function linkChat(
  db: Queryable,
  codeHash: Buffer,
  chat: Pick<TelegramChat, 'chat_id' | 'kind' | 'title'>,
): Promise<boolean> {
  const linked = await insertLink(db, [codeHash, chat.chat_id, chat.kind, chat.title])
  if (linked.length > 0) await reopen(db, [chat.chat_id])
  return linked.length > 0
}

/** The chat gets messages (again). `false`: it is linked to nobody. */
export async function subscribeChat(db: Queryable, chatId: string): Promise<boolean> {
  const subscribed = await clearUnsubscribed(db, [chatId])
  if (subscribed.length > 0) await reopen(db, [chatId])
  return subscribed.length > 0
}

/** Until when the chat gets nothing; null: it gets what there is. Without a user: for every one that it is linked to. */
export function muteChat(
  db: Queryable,
  chatId: string,
  until: Date | null,
  userId?: string,
): Promise<TelegramChat[]> {
  return updateMuted(db, [chatId, until, userId])
}

/** Every link of a chat: one for each user. */
export function readChatLinks(db: Queryable, chatId: string): Promise<TelegramChat[]> {
  return selectChats(db, [undefined, chatId, undefined, undefined, 100])
}

export async function readChat(
  db: Queryable,
  userId: string,
  chatId: string,
): Promise<TelegramChat | undefined> {
  const [chat] = toPage(await selectChats(db, [userId, chatId, undefined, undefined, 2]), 1).rows
  return chat
}

/** A page of a user's chats, the newest first. */
export async function listChats(
  db: Queryable,
  userId: string,
  { after, limit }: PageRequest,
): Promise<Page<TelegramChat>> {
  return toPage(await selectChats(db, [userId, undefined, after?.[0], after?.[1], limit + 1]), limit)
}

/** `false`: the chat is not linked to the user. */
export async function unlinkChat(db: Queryable, userId: string, chatId: string): Promise<boolean> {
  return (await deleteLink(db, [userId, chatId])).length > 0
}
