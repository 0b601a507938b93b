import { Bot, GrammyError, HttpError } from 'grammy'
import type { Database } from '../db.ts'
import type { Log } from '../log.ts'
import { botIdOf, clientOptions, describeTelegramError, type TelegramSettings } from '../telegram-api.ts'
import { addChatEvents } from './chat-events.ts'
import { addCommands } from './commands.ts'
import { throttle } from './throttle.ts'

/** The kinds of updates that the bot asks Telegram for. */
export const updateKinds = ['message', 'channel_post', 'callback_query', 'my_chat_member'] as const

/** The bot, with everything that it can do. It talks to nobody yet. */
export function createBot(settings: TelegramSettings, db: Database, log: Log): Bot {
  const bot = new Bot(settings.token, { client: clientOptions(settings) })
  bot.api.config.use(throttle(db, botIdOf(settings)))

  bot.use(async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      // What the database did not take is not confirmed: Telegram sends the update again.
      if (isOfDatabase(error)) throw error
      // Who cannot be answered (blocked us meanwhile, deleted the group) must not keep the others from it.
      const reason = describeTelegramError(error, settings)
      log.warn({ update_id: ctx.update.update_id, error: reason }, 'could not handle an update')
    }
  })
  addChatEvents(bot, db)
  addCommands(bot, db)
  return bot
}

/** Errors of Postgres and of the way to it have a code; those of Telegram are classes of their own. */
function isOfDatabase(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return !(error instanceof GrammyError) && !(error instanceof HttpError) && typeof code === 'string'
}
