/** A number as a fraction of a power of ten: `units / 10 ** decimals`. */
export type Exact = { units: bigint; decimals: number }

/** Reads a decimal number; `undefined` for a text that is none. */
export function exact(text: string): Exact | undefined {
  if (!/^-?\d+(\.\d*)?$/.test(text)) return undefined
  const [whole = '', fraction = ''] = text.split('.')
  return { units: BigInt(whole + fraction), decimals: fraction.length }
}

export function add(a: Exact, b: Exact): Exact {
  const decimals = Math.max(a.decimals, b.decimals)
  return { units: unitsAt(a, decimals) + unitsAt(b, decimals), decimals }
}

/** Below 0, 0 or above 0, as a is below, at or above b. */
export function compare(a: Exact, b: Exact): number {
  const decimals = Math.max(a.decimals, b.decimals)
  const difference = unitsAt(a, decimals) - unitsAt(b, decimals)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** Without zeros that say nothing. */
export function show({ units, decimals }: Exact): string {
  let [rest, left] = [units, decimals]
  while (left > 0 && rest % 10n === 0n) {
    rest /= 10n
    left -= 1
  }
  const digits = String(rest < 0n ? -rest : rest).padStart(left + 1, '0')
  const point = digits.length - left
  const fraction = left === 0 ? '' : `.${digits.slice(point)}`
  return `${rest < 0n ? '-' : ''}${digits.slice(0, point)}${fraction}`
}

/** What an operator says of a comparison's result. */
export function says(operator: string, comparison: number): boolean {
  const answers: Record<string, boolean> = {
    '<': comparison < 0,
    '<=': comparison <= 0,
    '>': comparison > 0,
    '>=': comparison >= 0,
    '=': comparison === 0,
    '!=': comparison !== 0,
  }
  const answer = answers[operator]
  if (answer === undefined) throw new Error(`The operator ${operator} compares no numbers`)
  return answer
}

function unitsAt({ units, decimals }: Exact, wanted: number): bigint {
  return units * 10n ** BigInt(wanted - decimals)
}
