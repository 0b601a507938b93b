import { setTimeout as delay } from 'node:timers/promises'
import type { InlineKeyboardButton } from 'grammy/types'
import type { TelegramActionConfig } from '../../src/actions/telegram.ts'
import { GoneError, HeldBackError, PermanentError, RetryableError } from '../../src/errors.ts'
import type { DeliveryScope } from '../../src/render-template.ts'
import {
  blockTelegram,
  dropTelegramProgress,
  keepTelegramProgress,
  migrateTelegramChat,
  readChatToSendTo,
  takeTelegramSlot,
  unsubscribeTelegramChat,
} from '../../src/store/telegram-sending.ts'
import type { ActionOutcome } from '../run-action.ts'
import { makeParts, type Part } from '../telegram/make-parts.ts'
import { sendError } from '../telegram/send-error.ts'
import type { Telegram } from '../telegram/telegram.ts'

/** A wait that is not worth giving the delivery back for. */
const sleepMaxMs = 250

/** What the button means to the bot (src/bot/chat-events.ts). */
const muteData = 'mute:1h'

/**
 * Sends one message, in parts if it is long. A muted chat gets nothing, which counts as success: its people asked for it. A
 * message of several parts goes on where it was broken off.
 */
export async function runTelegram(
  config: TelegramActionConfig,
  scope: DeliveryScope,
  { telegram }: { telegram?: Telegram | undefined },
  signal: AbortSignal,
): Promise<ActionOutcome> {
  if (telegram === undefined) {
    throw new RetryableError('this worker has no bot: set TELEGRAM_BOT_TOKEN and start it again')
  }
  const { db, botId } = telegram
  const [chat] = await readChatToSendTo(db, [scope.trigger.id, config.chat_id, scope.delivery.id])
  if (chat?.linked !== true) {
    throw new PermanentError(
      `the chat ${config.chat_id} is not linked to the owner of this trigger: get a code with POST /v1/telegram/link-codes and send /start <code> to the bot from that chat`,
    )
  }
  if (chat.unsubscribed_at !== null) {
    throw new GoneError(
      `the chat ${config.chat_id} is unsubscribed since ${chat.unsubscribed_at.toISOString()} (${chat.unsubscribed_reason}): send /subscribe to the bot from that chat`,
    )
  }
  if (chat.muted_until !== null) {
    return { response: { skipped: `muted until ${chat.muted_until.toISOString()}` }, error: undefined }
  }

  const parts = (chat.parts as Part[] | null) ?? makeParts(config, scope)
  const messageIds: number[] = []
  let chatId = config.chat_id
  let begun = chat.begun
  for (let sent = chat.parts_sent; sent < parts.length; ) {
    const part = parts[sent] as Part
    const isLast = sent === parts.length - 1
    await takeSlot(telegram, chatId, scope.delivery.id, signal)
    try {
      const message = await telegram.api.sendMessage(
        chatId,
        part.text,
        options(part, config, isLast ? buttonsOf(config, scope) : []),
        signal as never,
      )
      messageIds.push(message.message_id)
    } catch (thrown) {
      const { response, error, blockMs, migratedTo } = sendError(thrown, telegram.settings)
      if (migratedTo !== undefined && chatId === config.chat_id) {
        await migrateTelegramChat(db, [chatId, migratedTo])
        chatId = migratedTo
        continue
      }
      if (blockMs !== undefined) await blockTelegram(db, [botId, chatId, blockMs])
      if (error instanceof GoneError) await unsubscribeTelegramChat(db, [chatId, error.message])
      return { response, error }
    }
    sent += 1
    if (!isLast) {
      await keepTelegramProgress(db, [scope.delivery.id, botId, chatId, parts, sent])
      begun = true
    }
  }
  if (begun) await dropTelegramProgress(db, [scope.delivery.id])
  return { response: { chat_id: chatId, message_ids: messageIds, parts: parts.length }, error: undefined }
}

/** @throws HeldBackError when the limits want a longer wait. */
async function takeSlot(
  { db, botId }: Telegram,
  chatId: string,
  deliveryId: string,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const [slot] = await takeTelegramSlot(db, [botId, chatId, deliveryId, sleepMaxMs])
    if (slot === undefined) throw new Error('take_telegram_slot gave nothing')
    if (!slot.taken && slot.wait_ms > sleepMaxMs) {
      throw new HeldBackError(`waits for its turn by Telegram's limits`, slot.wait_ms)
    }
    if (slot.wait_ms > 0) await delay(slot.wait_ms, undefined, { signal })
    if (slot.taken) return
  }
}

function options(part: Part, { silent }: TelegramActionConfig, buttons: InlineKeyboardButton[]) {
  return {
    ...(part.parse_mode === undefined ? {} : { parse_mode: part.parse_mode }),
    ...(part.entities === undefined ? {} : { entities: part.entities as never }),
    ...(silent ? { disable_notification: true } : {}),
    ...(buttons.length === 0 ? {} : { reply_markup: { inline_keyboard: [buttons] } }),
    link_preview_options: { is_disabled: true },
  }
}

/** Without those that have nothing to open: a local chain has no explorer, an alert no event. */
function buttonsOf(
  { buttons }: TelegramActionConfig,
  { links, alert }: DeliveryScope,
): InlineKeyboardButton[] {
  return buttons.flatMap(({ text, opens }): InlineKeyboardButton[] => {
    if (opens === 'mute') return [{ text, callback_data: muteData }]
    return links.transaction === null || alert !== undefined ? [] : [{ text, url: links.transaction }]
  })
}
