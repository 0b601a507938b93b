/** The 50th and 95th percentile (nearest rank) of durations in ms, rounded to tenths. */
export function percentiles(durationsMs: readonly number[]): { p50: number; p95: number } {
  const sorted = durationsMs.toSorted((a, b) => a - b)
  const at = (share: number) =>
    Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN) * 10) / 10
  return { p50: at(0.5), p95: at(0.95) }
}
