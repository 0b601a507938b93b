import { type Bot, GrammyError } from 'grammy'
import { checkDatabase, openDatabase } from '../db.ts'
import { UserError } from '../errors.ts'
import { describeMissingMigrations } from '../migrate.ts'
import { runRole } from '../role.ts'
import { writeBot } from '../store/telegram-chats.ts'
import { botIdOf, describeTelegramError, type TelegramSettings } from '../telegram-api.ts'
import { commandList } from './commands.ts'
import { createBot } from './create-bot.ts'
import { holdLock } from './hold-lock.ts'
import { runPolling } from './run-polling.ts'
import { runWebhook } from './run-webhook.ts'

await runRole('bot', async ({ config, log, shutdown }) => {
  const settings = config.telegram
  if (settings === undefined) {
    throw new UserError('TELEGRAM_BOT_TOKEN: missing. @BotFather gives you one; without it there is no bot.')
  }
  const db = openDatabase(config.databaseUrl, { name: 'bot', connectionsMax: 4 })
  shutdown.add(() => db.end({ timeout: 5 }))
  await checkDatabase(db, config.databaseUrl)
  const missing = await describeMissingMigrations(db)
  if (missing !== undefined) throw new UserError(missing)

  const bot = createBot(settings, db, log)
  await greet(bot, settings)
  await writeBot(db, [botIdOf(settings), bot.botInfo.username])

  const lockDb = openDatabase(config.databaseUrl, { name: 'bot lock', connectionsMax: 1, keepsSession: true })
  shutdown.add(() => lockDb.end({ timeout: 5 }))

  const run = async () => {
    const lost = (error: Error) => process.nextTick(fail, error)
    if (!(await holdLock(lockDb, botIdOf(settings), shutdown.signal, lost))) return
    log.info(
      { bot: bot.botInfo.username, by: settings.webhook === undefined ? 'polling' : 'webhook' },
      'running',
    )
    await bot.api.setMyCommands(commandList)
    await (settings.webhook === undefined
      ? runPolling(bot, log, shutdown)
      : runWebhook(bot, settings.webhook, { settings, log, shutdown }))
  }
  const running = run().catch((error: unknown) => {
    if (shutdown.signal.aborted) log.debug({ error: describeTelegramError(error, settings) }, 'stopped')
    else process.nextTick(fail, error instanceof UserError ? error : tellable(error, settings))
  })
  // The update under way may finish.
  shutdown.add(() => running)
  return { bot: bot.botInfo.username }
})

/** Ends the process the way every role ends: by an error that nobody caught. */
function fail(error: Error): never {
  throw error
}

/** An error without the token, which grammY's may have in a URL. */
function tellable(error: unknown, settings: TelegramSettings): Error {
  return new Error(describeTelegramError(error, settings))
}

/** One question, and not grammY's endless patience: who starts the role wants to know. */
async function greet(bot: Bot, settings: TelegramSettings): Promise<void> {
  try {
    bot.botInfo = await bot.api.getMe()
  } catch (error) {
    const told = describeTelegramError(error, settings)
    if (error instanceof GrammyError && (error.error_code === 401 || error.error_code === 404)) {
      throw new UserError(
        `TELEGRAM_BOT_TOKEN: Telegram does not know this token (${told}). Copy it again from @BotFather.`,
      )
    }
    throw new Error(`Cannot reach Telegram at ${new URL(settings.apiRoot).host}: ${told}`)
  }
}
