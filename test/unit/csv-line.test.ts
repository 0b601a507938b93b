import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { csvLine } from '../../src/api/csv-line.ts'
import { parseCsv } from '../support/parse-csv.ts'

describe('csvLine', () => {
  it('writes numbers as they are, null as nothing and an empty text as two quotation marks', () => {
    const digits = '9'.repeat(78)
    expect(csvLine([digits, '-0.50', 7, null, '', false, new Date(0)])).toBe(
      `${digits},-0.50,7,,"",false,1970-01-01T00:00:00.000Z\r\n`,
    )
  })

  it.each([
    '=HYPERLINK("https://evil.example","x")',
    '+1+1',
    '-1+1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    '  =1',
    '＝1',
    '\0=1',
    "'=1",
  ])('puts a quotation mark before %j, so that no spreadsheet runs it', (text) => {
    expect(parseCsv(csvLine([text]))).toEqual([[`'${text}`]])
  })

  it('loses nothing of any text, and begins no cell with what begins a formula', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...'=+-@"\',\r\n\t 1.a') }),
    )
    fc.assert(
      fc.property(fc.array(text, { minLength: 2 }), (values) => {
        const [cells = []] = parseCsv(csvLine(values))
        expect(cells.map((cell) => cell?.replace(/^'/, ''))).toEqual(values)
        for (const cell of cells) {
          if (!/^-?\d+(\.\d+)?$/.test(cell ?? '')) expect(cell).not.toMatch(/^\s*[=+\-@]/)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
