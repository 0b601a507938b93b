import type { Evidence } from '../engine/evidence.ts'

const textMax = 120

/** What each condition said, a line each. `holds: null`: it was not asked. */
export function formatEvidence(
  evidence: readonly (Omit<Evidence, 'holds'> & { holds: boolean | null })[],
): string[] {
  return evidence.map((entry) => {
    const { condition_type, field, operator, value, seen, holds, scope } = entry
    const mark = holds === null ? '·' : holds ? '✓' : '✗'
    const asked = [field, operator, value === null ? null : show(value)].filter((part) => part !== null)
    const words = [condition_type, ...asked].join(' ')
    const said = holds === null ? 'not asked' : `saw ${show(seen)}`
    const states =
      entry.state === undefined && entry.state_before === undefined
        ? ''
        : ` (state ${show(entry.state_before ?? null)} → ${show(entry.state ?? null)})`
    const whose = scope === undefined || scope === '' ? '' : ` for ${scope}`
    return `${mark} ${words}${whose}: ${said}${states}`.replaceAll(/\p{Cc}+/gu, ' ')
  })
}

function show(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > textMax ? `${text.slice(0, textMax)}…` : text
}
