import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../db.ts'
import { takeBotLock } from '../store/telegram-chats.ts'

const retryMs = 1_000
const checkMs = 5_000

/**
 * Waits until this process is the one that runs the bot. The lock belongs to a database session: when the process dies, the next
 * one has it at once.
 *
 * @param db with one connection, which nothing else uses and which is not given up for its age.
 * @param onLost called when the session with the lock is gone, and somebody else may have it.
 * @returns `false`: aborted while waiting.
 */
export async function holdLock(
  db: Database,
  botId: string,
  signal: AbortSignal,
  onLost: (error: Error) => void,
): Promise<boolean> {
  for (;;) {
    if (signal.aborted) return false
    const [lock] = await takeBotLock(db, [botId])
    if (lock?.held === true) break
    await delay(retryMs, undefined, { signal }).catch(() => {})
  }
  const watch = async () => {
    while (!signal.aborted) {
      await delay(checkMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      // On a new session this takes the lock again, unless somebody was faster.
      const [lock] = await takeBotLock(db, [botId])
      if (lock?.held !== true) return onLost(new Error('another process runs the bot now'))
    }
  }
  watch().catch((error: unknown) => {
    if (!signal.aborted)
      onLost(new Error('lost the database, and with it the right to run the bot', { cause: error }))
  })
  return true
}
