/** Pauses before the second, third, ... attempt: quick at first for a hiccup, then long enough for an outage of a night. */
const pausesMs = [5_000, 30_000, 300_000, 1_800_000, 7_200_000, 21_600_000, 43_200_000]

/** A receiver may ask for patience, but not for more than a day. */
const retryAfterMaxMs = 86_400_000

/**
 * How long to wait before the next attempt, in whole milliseconds.
 *
 * @param attempts how many there have been (1 or more).
 * @param retryAfterMs what the receiver asked for; never less is waited.
 * @param random 0 to 1; spreads attempts over ±10 %, so that many that failed together do not come back together.
 */
export function retryDelayMs(attempts: number, retryAfterMs = 0, random = Math.random()): number {
  const pauseMs = pausesMs[Math.min(attempts, pausesMs.length) - 1] ?? 0
  return Math.ceil(Math.max(pauseMs * (0.9 + 0.2 * random), Math.min(retryAfterMs, retryAfterMaxMs)))
}
