import type { Api } from 'grammy'
import type { Database } from '../../src/db.ts'
import { botIdOf, createTelegramApi, type TelegramSettings } from '../../src/telegram-api.ts'

/** What Telegram actions work with. */
export type Telegram = { db: Database; api: Api; botId: string; settings: TelegramSettings }

/** Opens nothing: a token that is wrong shows at the first message. */
export function createTelegram(db: Database, settings: TelegramSettings): Telegram {
  return { db, api: createTelegramApi(settings), botId: botIdOf(settings), settings }
}
