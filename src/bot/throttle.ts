import { setTimeout as delay } from 'node:timers/promises'
import type { Transformer } from 'grammy'
import type { Database } from '../db.ts'
import { takeTelegramSlot } from '../store/telegram-sending.ts'

/** Somebody is waiting for an answer, but not for long. */
const waitMaxMs = 10_000

/** Answers of the bot count in the same limits as the messages of the workers. They do not queue, but wait for a slot. */
export function throttle(db: Database, botId: string): Transformer {
  return async (previous, method, payload, signal) => {
    if (method === 'sendMessage') {
      const chatId = String((payload as { chat_id: number | string }).chat_id)
      for (let waitedMs = 0; ; ) {
        const [slot] = await takeTelegramSlot(db, [botId, chatId, null, 250])
        const waitMs = slot?.wait_ms ?? 0
        if (slot?.taken !== true && waitedMs + waitMs > waitMaxMs) {
          throw new Error(`Telegram's limits leave no room for an answer within ${waitMaxMs} ms`)
        }
        if (waitMs > 0) await delay(waitMs)
        waitedMs += waitMs
        if (slot?.taken === true) break
      }
    }
    return previous(method, payload, signal)
  }
}
