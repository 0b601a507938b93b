import { setTimeout as delay } from 'node:timers/promises'
import { type Bot, GrammyError } from 'grammy'
import type { Log } from '../log.ts'
import type { Shutdown } from '../shutdown.ts'
import { updateKinds } from './create-bot.ts'

/** How long Telegram may keep an empty answer back, in seconds. */
const pollSeconds = 20

/** A poll of the process before us may still be open for a moment. */
const conflictsMax = 10
const conflictPauseMs = 1_000

/**
 * Asks Telegram for updates until shutdown. An update is confirmed only when the one after it is asked for: what a crash
 * interrupts comes again.
 *
 * @throws when the token is refused, when somebody else keeps polling with it, or when the database is away.
 */
export async function runPolling(bot: Bot, log: Log, shutdown: Shutdown): Promise<void> {
  // Otherwise grammY would only print what a handler threw, and go on.
  bot.catch((failure) => {
    throw failure.error
  })
  const stop = () => bot.stop().catch(() => log.debug({}, 'could not confirm the last update'))
  shutdown.signal.addEventListener('abort', stop)
  try {
    for (let conflicts = 0; !shutdown.signal.aborted; conflicts += 1) {
      try {
        await bot.start({ allowed_updates: updateKinds, timeout: pollSeconds })
        return
      } catch (error) {
        const isConflict = error instanceof GrammyError && error.error_code === 409
        if (shutdown.signal.aborted) return
        if (!isConflict || conflicts >= conflictsMax) throw error
        await delay(conflictPauseMs)
      }
    }
  } finally {
    shutdown.signal.removeEventListener('abort', stop)
  }
}
