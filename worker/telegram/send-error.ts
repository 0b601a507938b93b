import { GrammyError } from 'grammy'
import { GoneError, PermanentError, RetryableError } from '../../src/errors.ts'
import { describeTelegramError, type TelegramSettings } from '../../src/telegram-api.ts'

/** Telegram always says how long to wait; a proxy before it may not. */
const retryAfterMsDefault = 1000

export type SendError = {
  /** What is kept of Telegram's answer. */
  response: Record<string, unknown>
  error: PermanentError | RetryableError
  /** Telegram refused because of a limit, for so long. */
  blockMs?: number
  /** The group has this id now. */
  migratedTo?: string
}

/** What a failed call of `sendMessage` means for the delivery and its chat. */
export function sendError(thrown: unknown, settings: TelegramSettings): SendError {
  const told = describeTelegramError(thrown, settings)
  if (!(thrown instanceof GrammyError)) return { response: {}, error: new RetryableError(told) }

  const { error_code: code, parameters } = thrown
  // Without what we sent: the token is in no answer, but the description is scrubbed all the same.
  const response = { error_code: code, description: told.slice(String(code).length + 1) }
  if (parameters.migrate_to_chat_id !== undefined) {
    const error = new RetryableError(`the group moved to ${parameters.migrate_to_chat_id}`)
    return { response, error, migratedTo: String(parameters.migrate_to_chat_id) }
  }
  if (code === 429) {
    const blockMs = parameters.retry_after === undefined ? retryAfterMsDefault : parameters.retry_after * 1000
    return {
      response: { ...response, retry_after: parameters.retry_after },
      error: new RetryableError(`Telegram asks to wait: ${told}`, { retryAfterMs: blockMs }),
      blockMs,
    }
  }
  if (code === 401 || code === 404) {
    const message = `Telegram does not know the bot (${told}): correct TELEGRAM_BOT_TOKEN`
    return { response, error: new RetryableError(message) }
  }
  if (code === 403) return { response, error: new GoneError(`the chat takes no messages: ${told}`) }
  if (code >= 500) return { response, error: new RetryableError(`Telegram failed: ${told}`) }
  return { response, error: new PermanentError(`Telegram refused the message: ${told}`) }
}
