import { createRequire } from 'node:module'
import type { Context } from 'liquidjs'
import { normalizeDecimal } from '../conditions/decimal.ts'
import { PermanentError } from '../errors.ts'
import { textOf, toJsonText } from './output.ts'

type FilterContext = { context: Context }
type Filter = (this: FilterContext, value: unknown, ...options: unknown[]) => unknown

/**
 * Filters of our own, and those of Liquid that are replaced. What comes from a chain can be anything, so a filter that cannot
 * read its value hands it on as it is; only a mistake of the template's author is an error.
 */
export const filters: Record<string, Filter> = {
  json(value) {
    const json = toJsonText(value)
    this.context.memoryLimit.use(json.length)
    return json
  },

  /** `0x1234…abcd`. Also for hashes. */
  short_address: (value) => {
    const text = textOf(value)
    return /^0x[0-9a-f]{13,}$/i.test(text) ? `${text.slice(0, 6)}…${text.slice(-4)}` : text
  },

  /** An address in the upper and lower case of EIP-55. */
  checksum_address: (value) => {
    const text = textOf(value)
    return /^0x[0-9a-f]{40}$/i.test(text) ? toChecksum(text) : text
  },

  /** A number divided by ten to the given number, exactly: `{{ "1500000000000000000" | units: 18 }}` is 1.5. */
  units: (value, decimals) => {
    const number = readDecimal(value)
    return number === undefined ? textOf(value) : shiftDecimal(number, count('units', decimals))
  },

  /** A number with so many decimals, rounded half away from zero, exactly. */
  decimals: (value, decimals) => {
    const number = readDecimal(value)
    return number === undefined ? textOf(value) : roundDecimal(number, count('decimals', decimals))
  },

  /** A number with a separator between its thousands: a comma unless another text is given. */
  number: (value, separator = ',') => {
    const number = readDecimal(value)
    if (number === undefined) return textOf(value)
    const [whole = '', fraction] = number.split('.')
    const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, () => textOf(separator))
    return fraction === undefined ? grouped : `${grouped}.${fraction}`
  },

  /** A number that is text as a JSON number, for `$value`. The nearest one there is, where it has more digits than that. */
  to_number: (value) => {
    const number = readDecimal(value)
    return number === undefined ? value : Number(number)
  },

  /** The UTF-8 text that bytes such as `0x6869` hold. What is no UTF-8 becomes U+FFFD. */
  hex_to_text(value) {
    const text = textOf(value)
    this.context.memoryLimit.use(text.length)
    return /^0x(?:[0-9a-f]{2})*$/i.test(text) ? Buffer.from(text.slice(2), 'hex').toString('utf8') : text
  },

  url_encode(value) {
    const text = textOf(value)
    this.context.memoryLimit.use(text.length)
    return encodeURIComponent(text)
  },

  url_decode(value) {
    const text = textOf(value)
    this.context.memoryLimit.use(text.length)
    try {
      return decodeURIComponent(text.replaceAll('+', ' '))
    } catch {
      return text
    }
  },

  base64_decode(value) {
    const text = textOf(value)
    this.context.memoryLimit.use(text.length)
    const isBase64 = /^[a-z\d+/]*={0,2}$/i.test(text) && text.replace(/=+$/, '').length % 4 !== 1
    return isBase64 ? Buffer.from(text, 'base64').toString('utf8') : text
  },

  // These two as Liquid has them, but for halves of characters.
  cgi_escape(value) {
    const text = textOf(value)
    this.context.memoryLimit.use(text.length)
    return encodeURIComponent(text)
      .replaceAll('%20', '+')
      .replaceAll(/[!'()*]/g, escapePercent)
  },

  uri_escape(value) {
    const text = textOf(value)
    this.context.memoryLimit.use(text.length)
    return encodeURI(text).replaceAll('%5B', '[').replaceAll('%5D', ']')
  },
}

function escapePercent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

/** In normal form; undefined for what is no number, or has more digits than any number of a chain. */
function readDecimal(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value).toString()
  const text = textOf(value)
  if (text.length > 400) return undefined
  // 1e-7 is how JavaScript writes a small number.
  const [mantissa = '', exponent] = typeof value === 'number' ? text.split('e-') : [text]
  const number = normalizeDecimal(mantissa)
  return number === undefined || exponent === undefined ? number : shiftDecimal(number, Number(exponent))
}

/** Of decimals. 100 are more than any token has; more than that would only make text. */
function count(filter: string, value: unknown): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 0 && number <= 100) return number
  throw new PermanentError(`${filter} needs a whole number from 0 to 100, as in {{ x | ${filter}: 2 }}`)
}

function shiftDecimal(number: string, places: number): string {
  const sign = number.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = number.slice(sign.length).split('.')
  const digits = whole.padStart(places + 1, '0')
  const at = digits.length - places
  return normalizeDecimal(`${sign}${digits.slice(0, at)}.${digits.slice(at)}${fraction}`) ?? number
}

function roundDecimal(number: string, places: number): string {
  const sign = number.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = number.slice(sign.length).split('.')
  const kept = BigInt(whole + fraction.slice(0, places).padEnd(places, '0'))
  const rounded = kept + (fraction.charCodeAt(places) >= 53 ? 1n : 0n)
  const digits = rounded.toString().padStart(places + 1, '0')
  const at = digits.length - places
  const text = places === 0 ? digits : `${digits.slice(0, at)}.${digits.slice(at)}`
  return rounded === 0n ? text : sign + text
}

// Loaded when a template asks for it: it takes a quarter of a second, which every start of a process would wait for.
let getAddress: ((address: string) => string) | undefined

function toChecksum(address: string): string {
  getAddress ??= (createRequire(import.meta.url)('viem/utils') as { getAddress: (address: string) => string })
    .getAddress
  return getAddress(address.toLowerCase())
}
