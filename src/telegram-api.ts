import { Api, type ApiClientOptions, GrammyError, HttpError } from 'grammy'
import { describeError } from './errors.ts'

export type TelegramSettings = {
  /** As @BotFather gave it. */
  token: string
  /** Telegram's own, or that of a local Bot API server. */
  apiRoot: string
}

/** How long Telegram may take for an answer. Long polling asks for its own time on top. */
const answerMaxSeconds = 30

export function createTelegramApi(settings: TelegramSettings): Api {
  return new Api(settings.token, clientOptions(settings))
}

export function clientOptions({ apiRoot }: TelegramSettings): ApiClientOptions {
  return { apiRoot, timeoutSeconds: answerMaxSeconds }
}

/** The part of a token that is no secret: the id of the bot. */
export function botIdOf({ token }: TelegramSettings): string {
  return token.slice(0, token.indexOf(':'))
}

/** What went wrong in a call, in one line and without the token, which is part of every URL. */
export function describeTelegramError(error: unknown, { token }: TelegramSettings): string {
  return scrubToken(describe(error), token)
}

function describe(error: unknown): string {
  if (error instanceof GrammyError) return `${error.error_code} ${error.description}`
  if (!(error instanceof HttpError)) return describeError(error)
  const { error: cause } = error
  const { code, type, name } = cause as { code?: string; type?: string; name?: string }
  if (type === 'invalid-json') return 'Telegram could not be reached: the answer is not from a Bot API server'
  if (type === 'aborted' || name === 'AbortError') return 'the call to Telegram was broken off'
  return `Telegram could not be reached: ${code ?? describeError(cause)}`
}

/** Takes the token, also as part of a URL, out of a text. */
export function scrubToken(text: string, token: string): string {
  const [, secret = token] = token.split(':')
  return text.replaceAll(token, '***').replaceAll(encodeURIComponent(token), '***').replaceAll(secret, '***')
}
