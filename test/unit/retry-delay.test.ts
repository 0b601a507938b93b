import { describe, expect, it } from 'vitest'
import { parsePauseMs } from '../../src/parse-pause.ts'
import { retryDelayMs } from '../../worker/retry-delay.ts'

describe('retryDelayMs', () => {
  it('grows from seconds to hours, and stays there', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8, 20].map((attempts) => retryDelayMs(attempts, { random: 0.5 }))
    expect(delays).toEqual([5e3, 3e4, 3e5, 1.8e6, 7.2e6, 2.16e7, 4.32e7, 4.32e7, 4.32e7])
  })

  it('follows the schedule of the action, and repeats its last pause', () => {
    const schedule = ['1s', '2m', '24h']
    const delays = [1, 2, 3, 4, 19].map((attempts) => retryDelayMs(attempts, { schedule, random: 0.5 }))
    expect(delays).toEqual([1e3, 1.2e5, 8.64e7, 8.64e7, 8.64e7])
  })

  it('spreads by ten per cent either way', () => {
    expect(retryDelayMs(1, { random: 0 })).toBe(4500)
    expect(retryDelayMs(1, { random: 1 })).toBe(5500)
    expect(retryDelayMs(1, { schedule: ['10s'], random: 0 })).toBe(9000)
    expect(retryDelayMs(1, { schedule: ['10s'], random: 1 })).toBe(11_000)
  })

  it('waits at least as long as the receiver asks for, but not longer than a day', () => {
    expect(retryDelayMs(1, { retryAfterMs: 60_000, random: 0.5 })).toBe(60_000)
    expect(retryDelayMs(1, { retryAfterMs: 1_000, random: 0.5 })).toBe(5_000)
    expect(retryDelayMs(1, { retryAfterMs: 1e12, random: 0.5 })).toBe(86_400_000)
  })

  it('is a whole number of milliseconds', () => {
    expect(retryDelayMs(1, { retryAfterMs: 1234.5, random: 0.123 })).toSatisfy(Number.isInteger)
  })
})

describe('parsePauseMs', () => {
  it.each([
    ['1s', 1_000],
    ['90s', 90_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['1440m', 86_400_000],
    ['86400s', 86_400_000],
  ])('%s is a pause', (text, pauseMs) => expect(parsePauseMs(text)).toBe(pauseMs))

  it.each([
    '0s',
    '0h',
    '25h',
    '86401s',
    '1d',
    '5',
    's',
    '1.5h',
    '-1s',
    ' 5s',
    '5s ',
    '5 s',
    '5S',
    '500ms',
    '',
  ])('%j is none', (text) => expect(parsePauseMs(text)).toBeUndefined())
})
