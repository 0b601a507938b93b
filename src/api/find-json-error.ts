const blank = /[ \t\r\n]*/y
const scalar =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly the ones that JSON forbids in a text
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y

/**
 * Where a text stops being JSON, and what was expected there: JavaScript's own messages often do not say.
 * Meant for text that `JSON.parse` has refused.
 */
export function findJsonError(text: string): { line: number; column: number; message: string } {
  const closers: ('}' | ']')[] = []
  let position = 0
  /** What may come next. A value or key right after an opening bracket may also be its closing one. */
  let next: 'value' | 'first value' | 'key' | 'first key' | 'colon' | 'comma' = 'value'

  const skip = (pattern: RegExp) => {
    pattern.lastIndex = position
    const found = pattern.exec(text)?.[0] ?? ''
    position += found.length
    return found
  }
  const fail = (expected: string) => {
    const before = text.slice(0, position).split('\n')
    const character = String.fromCodePoint(text.codePointAt(position) ?? 0)
    const found = position >= text.length ? 'the end' : JSON.stringify(character)
    const column = (before.at(-1) ?? '').length + 1
    return { line: before.length, column, message: `expected ${expected}; found ${found}` }
  }

  for (;;) {
    skip(blank)
    const character = text[position] ?? ''
    const closer = closers.at(-1)
    if ((next === 'comma' || next.startsWith('first')) && closer !== undefined && character === closer) {
      closers.pop()
      position += 1
      next = 'comma'
    } else if (next === 'comma') {
      if (closer === undefined) return fail('nothing more')
      if (character !== ',') return fail(`, or ${closer}`)
      position += 1
      next = closer === '}' ? 'key' : 'value'
    } else if (next === 'colon') {
      if (character !== ':') return fail(':')
      position += 1
      next = 'value'
    } else if (next === 'key' || next === 'first key') {
      if (character !== '"' || skip(scalar) === '') {
        return fail(next === 'first key' ? 'a key in double quotes or }' : 'a key in double quotes')
      }
      next = 'colon'
    } else if (character === '{' || character === '[') {
      closers.push(character === '{' ? '}' : ']')
      position += 1
      next = character === '{' ? 'first key' : 'first value'
    } else {
      if (skip(scalar) === '')
        return fail(character === '"' ? 'a text that is well-formed and ends' : 'a value')
      next = 'comma'
    }
  }
}
