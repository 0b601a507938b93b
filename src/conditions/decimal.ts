const decimal = /^(-?)0*(\d+?)(?:\.(\d*?)0*)?$/
const wholeInNormalForm = /^(?:0|[1-9]\d*)$/

/**
 * The one way to write a number: no leading zeros, no zeros after the last decimal, no minus before 0. Two numbers are equal
 * exactly if their normal forms are. `undefined` for text that is no plain decimal number (an exponent, a sign +, letters).
 */
export function normalizeDecimal(value: string): string | undefined {
  // Most are numbers of agents and whole scores, as they should be.
  if (wholeInNormalForm.test(value)) return value
  const [, sign = '', whole = '', fraction = ''] = decimal.exec(value) ?? []
  if (whole === '') return undefined
  const digits = fraction === '' ? whole : `${whole}.${fraction}`
  return digits === '0' ? '0' : sign + digits
}

/** Below 0 if a < b, 0 if they are equal, above 0 if a > b. Both in normal form; exact for any number of digits. */
export function compareDecimals(a: string, b: string): number {
  if (a === b) return 0
  const aNegative = a.startsWith('-')
  if (aNegative !== b.startsWith('-')) return aNegative ? -1 : 1
  return aNegative ? compareDigits(b.slice(1), a.slice(1)) : compareDigits(a, b)
}

function compareDigits(a: string, b: string): number {
  const aWhole = a.split('.', 1)[0] ?? ''
  const bWhole = b.split('.', 1)[0] ?? ''
  // More digits make a larger number; with as many, digits compare like text, and so do decimals.
  if (aWhole.length !== bWhole.length) return aWhole.length - bWhole.length
  return a < b ? -1 : a > b ? 1 : 0
}
