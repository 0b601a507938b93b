/** Rows of a CSV text as RFC 4180 has it; `null` for an empty cell without quotation marks. */
export function parseCsv(text: string): (string | null)[][] {
  const rows: (string | null)[][] = []
  let row: (string | null)[] = []
  for (let at = 0; at < text.length; ) {
    const quoted = text[at] === '"'
    const pattern = quoted ? /"((?:[^"]|"")*)"(,|\r\n)/y : /([^,"\r\n]*)(,|\r\n)/y
    pattern.lastIndex = at
    const [whole, cell = '', end] = pattern.exec(text) ?? []
    if (whole === undefined) throw new Error(`No CSV at ${at}: ${JSON.stringify(text.slice(at, at + 40))}`)
    row.push(quoted ? cell.replaceAll('""', '"') : cell === '' ? null : cell)
    at += whole.length
    if (end === '\r\n') {
      rows.push(row)
      row = []
    }
  }
  return rows
}
