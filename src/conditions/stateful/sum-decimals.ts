/** The exact sum of decimals in normal form, less some others. In normal form, too. */
export function sumDecimals(plus: readonly string[], minus: readonly string[]): string {
  const scale = Math.max(0, ...[...plus, ...minus].map(decimalsOf))
  let units = 0n
  for (const value of plus) units += scaled(value, scale)
  for (const value of minus) units -= scaled(value, scale)

  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
  return `${units < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}

function decimalsOf(value: string): number {
  const point = value.indexOf('.')
  return point === -1 ? 0 : value.length - point - 1
}

function scaled(value: string, scale: number): bigint {
  return BigInt(value.replace('.', '') + '0'.repeat(scale - decimalsOf(value)))
}
