import type { Range } from './range-list.ts'

const everything: Range = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }

/** Up to so many digits two different decimals are different doubles. */
const exactDigits = 15

/**
 * The doubles among which a decimal is. A text of few digits is one double, its nearest; any other is between two. What is no
 * plain decimal could be anywhere.
 */
export function roundOutward(text: string): Range {
  const number = Number(text)
  if (!Number.isFinite(number) || !isDecimal(text)) return everything
  return isExact(text) ? { low: number, high: number } : { low: below(number), high: above(number) }
}

/**
 * The doubles that {@link roundOutward} can give for numbers that compare so with the value; perhaps a few more, if it has more digits
 * than a double.
 *
 * @returns `undefined` for an operator that does not compare sizes, or a value that is no decimal.
 */
export function rangeOf(operator: string, value: string): Range | undefined {
  if (!isDecimal(value)) return undefined
  const number = Number(value)
  const exact = isExact(value)
  switch (operator) {
    case '<':
      return { low: everything.low, high: exact ? below(number) : number }
    case '<=':
      return { low: everything.low, high: number }
    case '>':
      return { low: exact ? above(number) : number, high: everything.high }
    case '>=':
      return { low: number, high: everything.high }
    default:
      return undefined
  }
}

function isDecimal(text: string): boolean {
  return /^-?\d+(\.\d*)?$/.test(text)
}

function isExact(text: string): boolean {
  if (text.length <= exactDigits) return true
  return text.replace(/^-?0*|\./g, '').length <= exactDigits
}

/** One or two doubles further: less than the distance of two decimals of 15 digits. */
function above(number: number): number {
  return number === 0 ? Number.MIN_VALUE : number + Math.abs(number) * Number.EPSILON
}

function below(number: number): number {
  return -above(-number)
}
