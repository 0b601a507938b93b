import { query } from './query.ts'

/** What an action has to know of the chat that it sends to. All null: the chat is not linked to the owner of the trigger. */
export type ChatToSendTo = {
  linked: boolean
  unsubscribed_at: Date | null
  unsubscribed_reason: string | null
  /** null: it is not muted now. */
  muted_until: Date | null
  /** Whether something is kept of this delivery. */
  begun: boolean
  /** The parts of a message that was begun, as they were first made. */
  parts: unknown
  parts_sent: number
}

/** Parameters: trigger id, chat id, delivery id. No row: the trigger was deleted. */
export const readChatToSendTo = query<ChatToSendTo>('deliver/read-telegram-chat')

/** Parameters: bot id, chat id, delivery id (null: an answer of the bot), how long the caller would wait, in ms. */
export const takeTelegramSlot = query<{ taken: boolean; wait_ms: number }>('deliver/take-telegram-slot')

/** Parameters: bot id, chat id, for how long, in ms. */
export const blockTelegram = query<never>('deliver/block-telegram')

/** Parameters: delivery id, bot id, chat id, all parts of its message, how many of them are sent. */
export const keepTelegramProgress = query<never>('deliver/keep-telegram-progress')

/** Parameters: delivery id. */
export const dropTelegramProgress = query<never>('deliver/drop-telegram-progress')

/** Parameters: chat id, reason. For every user that it is linked to. */
export const unsubscribeTelegramChat = query<{ user_id: string }>('deliver/unsubscribe-telegram-chat')

/** Parameters: the old chat id, the new one. */
export const migrateTelegramChat = query<never>('deliver/migrate-telegram-chat')
