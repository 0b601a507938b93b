import { GrammyError, HttpError } from 'grammy'
import { describe, expect, it } from 'vitest'
import { parseMuteMs } from '../../src/bot/parse-mute.ts'
import { loadConfig } from '../../src/config.ts'
import { botIdOf, describeTelegramError } from '../../src/telegram-api.ts'
import { hashLinkCode, makeLinkCode } from '../../src/telegram-link-code.ts'

const token = '123456789:AAE-secret_secret_secret_secret'

describe('settings', () => {
  it('without a token there is no bot; with one, Telegram itself is asked for updates', () => {
    expect(loadConfig({}).telegram).toBeUndefined()
    expect(loadConfig({ TELEGRAM_BOT_TOKEN: token }).telegram).toEqual({
      token,
      apiRoot: 'https://api.telegram.org',
      webhook: undefined,
    })
  })

  it('a Bot API server and a webhook of one’s own are taken as they are meant', () => {
    const { telegram } = loadConfig({
      TELEGRAM_BOT_TOKEN: token,
      TELEGRAM_API_ROOT: 'http://bots.local:8081/',
      TELEGRAM_WEBHOOK_URL: 'https://tocsin.example/t',
      TELEGRAM_WEBHOOK_LISTEN: '[::1]:9000',
    })
    expect(telegram).toMatchObject({
      apiRoot: 'http://bots.local:8081',
      webhook: { url: 'https://tocsin.example/t', host: '::1', port: 9000 },
    })
  })

  it('a token that cannot be one is refused without being shown', () => {
    const load = () => loadConfig({ TELEGRAM_BOT_TOKEN: 'hunter2' })
    expect(load).toThrow(/TELEGRAM_BOT_TOKEN: expected the token that @BotFather gave/)
    expect(load).not.toThrow(/hunter2/)
  })
})

describe('errors of a call', () => {
  const settings = { token, apiRoot: 'http://127.0.0.1:9' }
  const url = `http://127.0.0.1:9/bot${token}/sendMessage`

  it.each([
    [new HttpError('failed', Object.assign(new Error(`request to ${url} failed`), { code: 'ECONNRESET' }))],
    [new HttpError('failed', new Error(`request to ${url} failed`))],
    [new HttpError('failed', new Error(`request to ${encodeURIComponent(url)} failed`))],
    [new Error(`cannot reach ${url}`, { cause: new Error(token) })],
    [
      new GrammyError(
        'failed',
        { ok: false, error_code: 400, description: `bad ${token}` },
        'sendMessage',
        {},
      ),
    ],
  ])('%# do not have the token', (error) => {
    const told = describeTelegramError(error, settings)
    expect(told).not.toContain('AAE-secret')
    expect(told).not.toBe('')
  })

  it('the id of the bot is no secret', () => {
    expect(botIdOf(settings)).toBe('123456789')
  })
})

it('a link code has 128 bits, fits into a link, and is kept as a hash', () => {
  const codes = new Set(Array.from({ length: 1000 }, makeLinkCode))
  expect(codes.size).toBe(1000)
  for (const code of codes) expect(code).toMatch(/^[A-Za-z0-9_-]{22}$/)
  expect(hashLinkCode('x').toString('hex')).toHaveLength(64)
})

it.each([
  ['', 3_600_000],
  ['30m', 1_800_000],
  [' 8 H ', 28_800_000],
  ['30d', 2_592_000_000],
  ['31d', undefined],
  ['0m', undefined],
  ['-1h', undefined],
  ['forever', undefined],
])('/mute %j lasts %s ms', (text, muteMs) => {
  expect(parseMuteMs(text)).toBe(muteMs)
})
