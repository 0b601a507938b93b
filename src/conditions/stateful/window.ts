import type { State } from '../compiled-trigger.ts'

/** How much one state remembers. */
export const entriesMax = 1000

const dayMs = 86_400_000
const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: dayMs } as const
const longestMs = 365 * dayMs

export const expectedWindow = 'expected a time from 1s to 365d, such as 30s, 5m, 1h or 7d'

/** A span of block time as text, in ms; `undefined` for what is none. */
export function parseWindowMs(text: unknown): number | undefined {
  const [, digits, unit] = (typeof text === 'string' && /^([1-9]\d{0,8})([smhd])$/.exec(text)) || []
  if (digits === undefined || unit === undefined) return undefined
  const windowMs = Number(digits) * unitsMs[unit as keyof typeof unitsMs]
  return windowMs <= longestMs ? windowMs : undefined
}

/** The same of a setting that was checked. */
export function windowMsOf(text: unknown): number {
  const windowMs = parseWindowMs(text)
  if (windowMs === undefined) throw new Error(`${expectedWindow}; found ${JSON.stringify(text)}`)
  return windowMs
}

/**
 * What a window of a width holds at a time: what happened in (time - width, time]. Entries are in the order of their times, and the new one,
 * which is of that time, comes last. Of more than {@link entriesMax} the oldest goes.
 */
export function slide<Entry>(
  entries: readonly Entry[],
  added: Entry,
  timeOf: (entry: Entry) => number,
  windowMs: number,
): { entries: Entry[]; removed: Entry[]; droppedAt: number | undefined } {
  const start = timeOf(added) - windowMs
  let expired = 0
  for (const entry of entries) {
    if (timeOf(entry) > start) break
    expired += 1
  }
  const isFull = entries.length - expired >= entriesMax
  const dropped = isFull ? entries[expired] : undefined
  const from = expired + Number(isFull)
  return {
    entries: [...entries.slice(from), added],
    removed: entries.slice(0, from),
    droppedAt: dropped === undefined ? undefined : timeOf(dropped),
  }
}

/** What a state says while its window has held more than it remembers. */
export function truncation(
  state: State | undefined,
  droppedAt: number | undefined,
  start: number,
): { truncated?: true; dropped_at?: number } {
  const before =
    typeof state?.dropped_at === 'number' && state.dropped_at > start ? state.dropped_at : undefined
  const dropped_at = droppedAt ?? before
  return dropped_at === undefined ? {} : { truncated: true, dropped_at }
}
