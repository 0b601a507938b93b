import { z } from 'zod'

const timeSchema = z.union([z.iso.datetime({ offset: true }), z.iso.date()])

export const expectedTime = 'expected a time such as 2026-11-20T08:30:00Z, or a day such as 2026-11-20'
export const expectedDestination = 'expected a host, such as example.com or example.com:8443'

/** A time as people and machines write it; a day alone is its midnight in UTC. `undefined`: it is none. */
export function parseTime(text: string): Date | undefined {
  if (!timeSchema.safeParse(text).success) return undefined
  const time = new Date(text)
  // Postgres counts no year 0.
  return time.getUTCFullYear() > 0 ? time : undefined
}

/** The host of an action's URL, with its port unless that is the default, as deliveries are narrowed to it. `undefined`: it is none. */
export function parseDestination(text: string): string | undefined {
  return /^[^\s/\\?#@\p{Cc}]{1,300}$/u.test(text) ? text.toLowerCase() : undefined
}
