/** Files of agents nest four or five deep. Recursive code that sees them later has its stack to lose. */
const depthMax = 64

/**
 * Reads a file as JSON in UTF-8, with or without a byte order mark.
 *
 * @returns the value, and in `ambiguity` why another reader might see another value; or what is wrong, as the end of a sentence.
 */
export function parseJsonFile(
  bytes: Uint8Array,
): { value: unknown; ambiguity: string | undefined } | { problem: string } {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return { problem: 'is not text in UTF-8' }
  }
  if (depthOf(text) > depthMax) return { problem: `nests more than ${depthMax} levels deep` }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { problem: `is not JSON (${describe(text, error)})` }
  }
  return { value, ambiguity: findAmbiguity(text) }
}

function describe(text: string, error: unknown): string {
  if (text.trim() === '') return 'it is empty'
  if (/^\s*</.test(text)) return 'it looks like HTML'
  const message = error instanceof Error ? error.message : String(error)
  return message.replaceAll(/\s+/g, ' ').slice(0, 120)
}

/** How deep brackets nest, counted before anything is built from them. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (char === '"') at = endOfString(text, at)
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth)
    else if (char === '}' || char === ']') depth -= 1
  }
  return deepest
}

/** Looks through valid JSON for a key that an object has twice, and for a number that a double does not hold exactly. */
function findAmbiguity(text: string): string | undefined {
  // One entry an open bracket: the keys of an object, undefined for a list.
  const open: (Set<string> | undefined)[] = []
  let isKey = false
  const number = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? ''
    if (char === '"') {
      const end = endOfString(text, at)
      if (isKey) {
        const key: string = JSON.parse(text.slice(at, end + 1))
        const keys = open.at(-1)
        if (keys?.has(key)) return `the key ${JSON.stringify(key.slice(0, 60))} is there twice`
        keys?.add(key)
      }
      at = end
    } else if (char === '{') {
      open.push(new Set())
      isKey = true
    } else if (char === '[') {
      open.push(undefined)
      isKey = false
    } else if (char === '}' || char === ']') {
      open.pop()
    } else if (char === ',') {
      isKey = open.at(-1) !== undefined
    } else if (char === ':') {
      isKey = false
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      number.lastIndex = at
      const literal = number.exec(text)?.[0] ?? char
      // A double keeps 15 digits of any number.
      const isShort = literal.length <= 15 && !/e/i.test(literal)
      if (!isShort && normalDigits(literal) !== normalDigits(String(Number(literal)))) {
        return `the number ${literal.slice(0, 40)} has more digits than numbers in JSON keep`
      }
      at += literal.length - 1
    }
  }
  return undefined
}

/** Where the string that begins at `start` ends: the index of its closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

/** One text for every way to write a number: its digits without zeros around them, and the power of ten. `0` for zero. */
function normalDigits(literal: string): string {
  const [mantissa = '', exponent = '0'] = literal.toLowerCase().split('e')
  const sign = mantissa.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = mantissa.slice(sign.length).split('.')
  const digits = whole + fraction
  let first = 0
  while (digits[first] === '0') first += 1
  if (first === digits.length) return '0'
  let end = digits.length
  while (digits[end - 1] === '0') end -= 1
  return `${sign}${digits.slice(first, end)}e${Number(exponent) - fraction.length + digits.length - end}`
}
