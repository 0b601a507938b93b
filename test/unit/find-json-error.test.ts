import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findJsonError } from '../../src/api/find-json-error.ts'

test.each([
  ['', 1, 1, 'expected a value; found the end'],
  ['  \n ', 2, 2, 'expected a value; found the end'],
  ['{"a":x}', 1, 6, 'expected a value; found "x"'],
  ['{"a": 1,\n "b": tru\n}', 2, 7, 'expected a value; found "t"'],
  ['{"a":1,}', 1, 8, 'expected a key in double quotes; found "}"'],
  ["{'a':1}", 1, 2, `expected a key in double quotes or }; found "'"`],
  ['{"a" 1}', 1, 6, 'expected :; found "1"'],
  ['[1, 2', 1, 6, 'expected , or ]; found the end'],
  ['[1 2]', 1, 4, 'expected , or ]; found "2"'],
  ['[1,]', 1, 4, 'expected a value; found "]"'],
  ['{"a": [1}', 1, 9, 'expected , or ]; found "}"'],
  ['{} {}', 1, 4, 'expected nothing more; found "{"'],
  ['{"a": "x', 1, 7, 'expected a text that is well-formed and ends; found "\\""'],
  ['"\\q"', 1, 1, 'expected a text that is well-formed and ends; found "\\""'],
  ['01', 1, 2, 'expected nothing more; found "1"'],
  ['[🦺]', 1, 2, 'expected a value; found "🦺"'],
])('%j', (text, line, column, message) => expect(findJsonError(text)).toEqual({ line, column, message }))

test('whatever is cut out of JSON or put into it, the place is found, and everything before it was right', () => {
  const isJson = (text: string) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  fc.assert(
    fc.property(
      // Texts of plain letters: what looks like structure is structure.
      fc.json({ stringUnit: fc.constantFrom('a', 'b') }),
      fc.nat(),
      fc.nat(3),
      fc.string({
        maxLength: 2,
        unit: fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '1', 'x', ' ', '\n'),
      }),
      (json, at, cut, put) => {
        const start = at % (json.length + 1)
        const text = json.slice(0, start) + put + json.slice(start + cut)
        if (isJson(text)) return
        const { line, column } = findJsonError(text)
        const position =
          text
            .split('\n')
            .slice(0, line - 1)
            .join('\n').length +
          (line > 1 ? 1 : 0) +
          column -
          1
        expect(position).toBeGreaterThanOrEqual(0)
        expect(position).toBeLessThanOrEqual(text.length)
        // The mistake is not before the place where the text was changed, but for the word or number that was changed.
        const changedToken = /[\w".+-]*$/.exec(text.slice(0, start))?.index ?? start
        expect(position).toBeGreaterThanOrEqual(changedToken)
      },
    ),
    { numRuns: 1000 },
  )
})
