import { parseTime } from './delivery-filter.ts'

export type Bound = { block: number } | { time: Date }

/** A bound as people write it: the number of a block, or a time. `undefined`: it is neither. */
export function parseBound(text: string): Bound | undefined {
  if (/^\d{1,15}$/.test(text)) return { block: Number(text) }
  const time = parseTime(text)
  return time && { time }
}
