/** Plain decimals, also negative ones, are numbers to every spreadsheet. */
const plainNumber = /^-?\d+(\.\d+)?$/

/**
 * What a spreadsheet would run as a formula: it begins with one of = + - @ (also in full width), after blanks or not, or with a
 * control character that some skip. A quotation mark ' at the beginning is taken too, so that taking one away restores every text.
 */
const dangerous = /^(\s*[=+\-@\uff0b\uff0d\uff1d\uff20]|[\s\p{Cc}'])/u

/**
 * A line of a CSV file as RFC 4180 has it. Null is an empty cell, an empty text is "". Texts come from the chain, where anybody
 * writes anything: those that a spreadsheet could run get a ' in front.
 */
export function csvLine(values: readonly unknown[]): string {
  return `${values.map(cell).join(',')}\r\n`
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value instanceof Date) return value.toISOString()
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (plainNumber.test(text)) return text
  const safe = dangerous.test(text) ? `'${text}` : text
  return /^[\w.:/ -]+$/.test(safe) ? safe : `"${safe.replaceAll('"', '""')}"`
}
