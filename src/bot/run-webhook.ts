import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { type Bot, webhookCallback } from 'grammy'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { UserError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Shutdown } from '../shutdown.ts'
import { describeTelegramError, type TelegramSettings } from '../telegram-api.ts'
import { updateKinds } from './create-bot.ts'

export type WebhookSettings = { url: string; host: string; port: number }

const bodyBytesMax = 1_048_576

/**
 * Lets Telegram bring updates until shutdown. Who does not know the secret is turned away, whatever the path. The webhook stays set
 * when the process ends: Telegram keeps updates for a day, for whoever comes next.
 *
 * @throws UserError when the port cannot be had.
 */
export async function runWebhook(
  bot: Bot,
  webhook: WebhookSettings,
  { settings, log, shutdown }: { settings: TelegramSettings; log: Log; shutdown: Shutdown },
): Promise<void> {
  const secretToken = webhookSecret(settings)
  const app = new Hono()
  app.use(bodyLimit({ maxSize: bodyBytesMax }))
  app.post('*', webhookCallback(bot, 'hono', { secretToken }))
  app.onError((error, c) => {
    log.warn({ error: describeTelegramError(error, settings) }, 'could not take an update; it comes again')
    return c.text('', 500)
  })

  const server = createServer(getRequestListener(app.fetch))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const place = `${webhook.host}:${webhook.port}`
      reject(new UserError(`Cannot listen on ${place} (${error.code}). Correct TELEGRAM_WEBHOOK_LISTEN.`))
    })
    server.listen(webhook.port, webhook.host, resolve)
  })
  log.info({ port: (server.address() as AddressInfo).port }, 'listening for the webhook')
  try {
    await bot.api.setWebhook(webhook.url, { secret_token: secretToken, allowed_updates: [...updateKinds] })
    await new Promise<void>((resolve) => {
      if (shutdown.signal.aborted) resolve()
      shutdown.signal.addEventListener('abort', () => resolve())
    })
  } finally {
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
  }
}

/** Known to Telegram and to every process with the token, and one setting less. */
export function webhookSecret({ token }: TelegramSettings): string {
  return createHmac('sha256', token).update('tocsin webhook').digest('base64url')
}
