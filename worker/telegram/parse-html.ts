import {
  byteOffset,
  checkedLink,
  customEmojiId,
  type Entity,
  type EntityType,
  type FormattedText,
  MarkupError,
  sortEntities,
} from './markup.ts'

const types: Record<string, EntityType> = {
  ...{ b: 'bold', strong: 'bold', i: 'italic', em: 'italic', u: 'underline', ins: 'underline' },
  ...{ s: 'strikethrough', strike: 'strikethrough', del: 'strikethrough' },
  ...{ 'tg-spoiler': 'spoiler', span: 'spoiler', blockquote: 'blockquote' },
  ...{ code: 'code', pre: 'pre', a: 'text_link', 'tg-emoji': 'custom_emoji' },
} as const

const named: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"' }

/** The attribute of each tag that says something; others are read and mean nothing. */
const attributes: Record<string, string> = { a: 'href', code: 'class', span: 'class', 'tg-emoji': 'emoji-id' }

type OpenTag = { name: string; argument: string; offset: number }
type Reader = { markup: string; at: number }

/**
 * Reads a message in `parse_mode` HTML by the rules of Telegram's own parser (`parse_html` in tdlib's MessageEntity.cpp):
 * the same messages are refused, in the same words.
 *
 * @throws MarkupError
 */
export function parseHtml(markup: string): FormattedText {
  const entities: Entity[] = []
  const open: OpenTag[] = []
  const reader: Reader = { markup, at: 0 }
  let text = ''

  while (reader.at < markup.length) {
    const char = markup.charAt(reader.at)
    if (char === '&') text += readReference(reader) ?? readChar(reader)
    else if (char !== '<') text += readChar(reader)
    else if (markup[reader.at + 1] !== '/') open.push({ ...readStartTag(reader), offset: text.length })
    else closeTag(readEndTag(reader, open), text, entities)
  }
  const unclosed = open.at(-1)
  if (unclosed !== undefined) {
    throw new MarkupError(`Can't find end tag corresponding to start tag "${unclosed.name}"`)
  }
  if (!text.isWellFormed()) {
    throw new MarkupError('Text contains invalid Unicode characters after decoding HTML entities')
  }
  for (const entity of entities) if (entity.type === 'code') delete entity.language
  return { text, entities: sortEntities(entities) }
}

function readChar(reader: Reader): string {
  reader.at += 1
  return reader.markup.charAt(reader.at - 1)
}

/** A character reference such as `&lt;` or `&#38;`, with or without its semicolon; `undefined`: it is none. */
function readReference(reader: Reader): string | undefined {
  const rest = reader.markup.slice(reader.at, reader.at + 16)
  const [whole, hex, decimal, name] = /^&(?:#x([\da-fA-F]+)|#(\d+)|([a-zA-Z]+));?/.exec(rest) ?? []
  if (whole === undefined) return undefined
  const code = hex !== undefined ? Number.parseInt(hex, 16) : Number(decimal)
  const tooLong = whole.replace(';', '').length >= 10
  const decoded =
    name !== undefined
      ? named[name]
      : code > 0 && code < 0x10ffff && !tooLong
        ? String.fromCodePoint(code)
        : undefined
  if (decoded !== undefined) reader.at += whole.length
  return decoded
}

function readStartTag(reader: Reader): { name: string; argument: string } {
  const { markup, at: begin } = reader
  const place = `at byte offset ${byteOffset(markup, begin)}`
  const written = matchAt(/[^ \t\r\n>]*/y, markup, begin + 1)
  reader.at = begin + 1 + written.length
  if (reader.at >= markup.length) throw new MarkupError(`Unclosed start tag ${place}`)
  const name = written.toLowerCase()
  if (types[name] === undefined) throw new MarkupError(`Unsupported start tag "${name}" ${place}`)

  let argument = ''
  for (;;) {
    skipSpace(reader)
    if (markup[reader.at] === '>') break
    const attribute = matchAt(/[^ \t\r\n=]*/y, markup, reader.at)
    if (attribute === '') throw new MarkupError(`Empty attribute name in the tag "${name}" ${place}`)
    reader.at += attribute.length
    skipSpace(reader)
    if (markup[reader.at] !== '=') {
      throw new MarkupError(
        `Expected equal sign in declaration of an attribute of the tag "${name}" ${place}`,
      )
    }
    reader.at += 1
    skipSpace(reader)
    if (reader.at >= markup.length) throw new MarkupError(`Unclosed start tag "${name}" ${place}`)
    const value = readAttributeValue(reader)
    if (reader.at >= markup.length) throw new MarkupError(`Unclosed start tag ${place}`)
    if (attributes[name] !== attribute) continue
    if (name === 'code') argument = value.startsWith('language-') ? value.slice(9) : argument
    else argument = value
  }
  reader.at += 1
  if (name === 'span' && argument !== 'tg-spoiler') {
    throw new MarkupError(`Tag "span" must have class "tg-spoiler" ${place}`)
  }
  return { name, argument }
}

function readAttributeValue(reader: Reader): string {
  const { markup } = reader
  const quote = markup.charAt(reader.at)
  if (quote !== '"' && quote !== "'") {
    const begin = reader.at
    const token = matchAt(/[a-zA-Z\d.-]*/y, markup, begin)
    reader.at += token.length
    if (reader.at < markup.length && !/[ \t\r\n>]/.test(markup.charAt(reader.at))) {
      throw new MarkupError(`Unexpected end of name token at byte offset ${byteOffset(markup, begin)}`)
    }
    return token.toLowerCase()
  }
  reader.at += 1
  let value = ''
  while (reader.at < markup.length && markup[reader.at] !== quote) {
    value += (markup[reader.at] === '&' ? readReference(reader) : undefined) ?? readChar(reader)
  }
  reader.at += 1
  return value
}

function readEndTag(reader: Reader, open: OpenTag[]): OpenTag {
  const { markup, at: begin } = reader
  const place = `at byte offset ${byteOffset(markup, begin)}`
  const tag = open.pop()
  if (tag === undefined) throw new MarkupError(`Unexpected end tag ${place}`)
  const written = matchAt(/[^ \t\r\n>]*/y, markup, begin + 2)
  reader.at = begin + 2 + written.length
  skipSpace(reader)
  if (markup[reader.at] !== '>') throw new MarkupError(`Unclosed end tag ${place}`)
  reader.at += 1
  const name = written.toLowerCase()
  if (name !== '' && name !== tag.name) {
    throw new MarkupError(`Unmatched end tag ${place}, expected "</${tag.name}>", found "</${name}>"`)
  }
  return tag
}

function closeTag({ name, argument, offset }: OpenTag, text: string, entities: Entity[]): void {
  const length = text.length - offset
  const type = types[name]
  if (length === 0 || type === undefined) return
  const previous = entities.at(-1)
  const around = previous?.offset === offset && previous.length === length ? previous : undefined
  if (type === 'text_link') {
    const url = checkedLink(argument === '' ? text.slice(offset) : argument)
    if (url !== undefined) entities.push({ type, offset, length, url })
  } else if (type === 'custom_emoji') {
    entities.push({ type, offset, length, custom_emoji_id: customEmojiId(argument) })
  } else if (type === 'code') {
    // Kept until the end: <pre><code class="language-x"> makes one entity of two tags.
    if (around?.type === 'pre' && argument !== '') around.language = argument
    else entities.push({ type, offset, length, ...(argument === '' ? {} : { language: argument }) })
  } else if (type === 'pre' && around?.type === 'code' && around.language !== undefined) {
    around.type = 'pre'
  } else {
    entities.push({ type, offset, length })
  }
}

function skipSpace(reader: Reader): void {
  reader.at += matchAt(/[ \t\r\n]*/y, reader.markup, reader.at).length
}

/** What a sticky pattern finds at this place. */
function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}
