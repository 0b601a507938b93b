const unitsMs: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

const muteMsMax = 30 * 86_400_000

/** How long `/mute` is to last, in ms: `30m`, `8h` or `2d`, up to 30 days; an hour if nothing is said. `undefined`: it says nonsense. */
export function parseMuteMs(text: string): number | undefined {
  if (text.trim() === '') return 3_600_000
  const [, count = '', unit = ''] = /^\s*(\d{1,5})\s*([mhd])\s*$/i.exec(text) ?? []
  const muteMs = Number(count) * (unitsMs[unit.toLowerCase()] ?? 0)
  return muteMs > 0 && muteMs <= muteMsMax ? muteMs : undefined
}
