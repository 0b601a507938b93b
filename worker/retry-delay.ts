import { parsePauseMs } from '../src/parse-pause.ts'

/** Pauses before the second, third, ... attempt: quick at first for a hiccup, then long enough for an outage of a night. */
const pausesDefault = ['5s', '30s', '5m', '30m', '2h', '6h', '12h']

/** A receiver may ask for patience, but not for more than a day. */
const retryAfterMaxMs = 86_400_000

/**
 * How long to wait before the next attempt, in whole milliseconds.
 *
 * @param attempts how many there have been in this schedule (1 or more).
 * @param options.schedule the action's own pauses, such as `5s`; the last one is repeated as long as there are attempts left.
 * @param options.retryAfterMs what the receiver asked for; never less is waited.
 * @param options.random 0 to 1; spreads attempts over ±10 %, so that many that failed together do not come back together.
 */
export function retryDelayMs(
  attempts: number,
  options: {
    schedule?: readonly string[] | undefined
    retryAfterMs?: number | undefined
    random?: number
  } = {},
): number {
  const { schedule = pausesDefault, retryAfterMs = 0, random = Math.random() } = options
  const pauseMs = parsePauseMs(schedule[Math.min(attempts, schedule.length) - 1] ?? '') ?? 0
  return Math.ceil(Math.max(pauseMs * (0.9 + 0.2 * random), Math.min(retryAfterMs, retryAfterMaxMs)))
}
