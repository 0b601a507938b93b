import { UserError } from './errors.ts'

/** So many requests in so many seconds. */
export type Rate = { count: number; windowSeconds: number }

const seconds = { s: 1, m: 60, h: 3600 }

/**
 * Reads `600/1m`. `0` is no limit.
 *
 * @throws UserError when it is neither.
 */
export function parseRate(text: string): Rate | undefined {
  if (text === '0') return undefined
  const [, count, length, unit] = /^([1-9]\d{0,6})\/([1-9]\d{0,3})([smh])$/.exec(text) ?? []
  const windowSeconds = Number(length) * seconds[unit as keyof typeof seconds]
  if (count === undefined || !(windowSeconds <= 86_400)) {
    throw new UserError('expected requests in a time of at most 24h, such as 600/1m, or 0 for no limit')
  }
  return { count: Number(count), windowSeconds }
}
