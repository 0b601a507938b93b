import { describe, expect, test } from 'vitest'
import { parsePonderLine } from '../../indexer/ponder-child.ts'
import { createScrub } from '../../indexer/scrub.ts'

const scrub = createScrub([
  'https://base.example.com/v2/Abc123SecretKey?token=Query%2FSecret9',
  'wss://user-key-77:pass-key-88@stream.example.com/ws/OtherSecret42',
  'postgres://tocsin:p%40ss!@db.internal:5432/events_production',
])

describe('secrets in what is logged', () => {
  test.each([
    [
      'GET https://base.example.com/v2/Abc123SecretKey?token=Query%2FSecret9 failed',
      'GET https://base.example.com/*** failed',
    ],
    [
      'wss://user-key-77:pass-key-88@stream.example.com:443/ws/OtherSecret42',
      'wss://stream.example.com:443/***',
    ],
    [
      'connect to postgres://tocsin:p%40ss!@db.internal:5432/events_production',
      'connect to postgres://db.internal:5432/***',
    ],
    ['https://somebody-else.example/path/to?key=1 again', 'https://somebody-else.example/*** again'],
    [
      'no secret in http://127.0.0.1:8545 and http://127.0.0.1:8545/',
      'no secret in http://127.0.0.1:8545 and http://127.0.0.1:8545/',
    ],
  ])('of a URL only scheme and host stay: %s', (text, expected) => {
    expect(scrub(text)).toBe(expected)
  })

  test.each([
    'Abc123SecretKey',
    'Query%2FSecret9',
    'Query/Secret9',
    'OtherSecret42',
    'pass-key-88',
    'user-key-77',
    'p%40ss!',
    'p@ss!',
  ])('the secret %s is hidden outside of any URL too', (secret) => {
    expect(scrub(`key (${secret}) rejected`)).toBe('key (***) rejected')
  })

  test('strings are found in arrays, objects and keys, and other values are left alone', () => {
    expect(
      scrub({ error: { meta: ['x', 'Abc123SecretKey'], count: 3, none: null }, OtherSecret42: true }),
    ).toEqual({ error: { meta: ['x', '***'], count: 3, none: null }, '***': true })
  })

  test('the names of a database and of its user are no secrets', () => {
    expect(scrub('database events_production, user tocsin')).toBe('database events_production, user tocsin')
  })
})

describe("a line of Ponder's output", () => {
  test('a warning keeps its fields, without the key in its URL', () => {
    const line = JSON.stringify({
      level: 40,
      time: 1,
      msg: 'Failed "eth_getLogs"',
      chain: 'base',
      error: { message: 'URL: https://base.example.com/v2/Abc123SecretKey', stack: 'Abc123SecretKey' },
    })
    expect(parsePonderLine(line, scrub)).toEqual({
      level: 'warn',
      message: 'Failed "eth_getLogs"',
      fields: { chain: 'base', error: { message: 'URL: https://base.example.com/***', stack: '***' } },
      reason: 'Failed "eth_getLogs": URL: https://base.example.com/***',
    })
  })

  test('what comes with every block goes to debug, what is rare to info', () => {
    const levelOf = (msg: string) => parsePonderLine(JSON.stringify({ level: 30, msg }), scrub).level
    expect([levelOf('Indexed block'), levelOf('Reorged block')]).toEqual(['debug', 'info'])
  })

  test.each(['', 'not JSON, Abc123SecretKey', '3', 'null', '[]'])(
    'anything else is passed on: %j',
    (text) => {
      const line = parsePonderLine(text, scrub)
      expect(line.message).not.toContain('Abc123SecretKey')
      expect(['warn', 'debug']).toContain(line.level)
    },
  )
})
