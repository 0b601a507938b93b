const unitsMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000 }

const pauseMsMax = 86_400_000

/** A pause such as `5s`, `30m` or `2h`, in milliseconds; `undefined` if it is none, or not from 1 s to 24 h. */
export function parsePauseMs(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,5})([smh])$/.exec(text) ?? []
  const pauseMs = Number(count) * (unitsMs[unit] ?? 0)
  return pauseMs >= 1_000 && pauseMs <= pauseMsMax ? pauseMs : undefined
}
