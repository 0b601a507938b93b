import { describe, expect, it } from 'vitest'
import { retryDelayMs } from '../../worker/retry-delay.ts'

describe('retryDelayMs', () => {
  it('grows from seconds to hours, and stays there', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8, 20].map((attempts) => retryDelayMs(attempts, 0, 0.5))
    expect(delays).toEqual([5e3, 3e4, 3e5, 1.8e6, 7.2e6, 2.16e7, 4.32e7, 4.32e7, 4.32e7])
  })

  it('spreads by ten per cent either way', () => {
    expect(retryDelayMs(1, 0, 0)).toBe(4500)
    expect(retryDelayMs(1, 0, 1)).toBe(5500)
  })

  it('waits at least as long as the receiver asks for, but not longer than a day', () => {
    expect(retryDelayMs(1, 60_000, 0.5)).toBe(60_000)
    expect(retryDelayMs(1, 1_000, 0.5)).toBe(5_000)
    expect(retryDelayMs(1, 1e12, 0.5)).toBe(86_400_000)
  })

  it('is a whole number of milliseconds', () => {
    expect(retryDelayMs(1, 1234.5, 0.123)).toSatisfy(Number.isInteger)
  })
})
