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

type OpenEntity = { type: EntityType; language: string; offset: number; begin: number }

const reserved = new Set('_*[]()~`>#+-=|{}.!\n')
const names: Partial<Record<EntityType, string>> = {
  ...{ bold: 'Bold', italic: 'Italic', underline: 'Underline', strikethrough: 'Strikethrough' },
  ...{ spoiler: 'Spoiler', code: 'Code', pre: 'Pre', text_link: 'TextUrl', custom_emoji: 'CustomEmoji' },
}

/**
 * Reads a message in `parse_mode` MarkdownV2 by the rules of Telegram's own parser (`parse_markdown_v2` in tdlib's
 * MessageEntity.cpp): the same messages are refused, in the same words.
 *
 * @throws MarkupError
 */
export function parseMarkdownV2(markup: string): FormattedText {
  const entities: Entity[] = []
  const open: OpenEntity[] = []
  let quoted = false
  let text = ''
  let at = 0

  while (at < markup.length) {
    const char = markup.charAt(at)
    if (isEscape(markup, at)) {
      text += markup.charAt(at + 1)
      at += 2
      continue
    }
    const inner = open.at(-1)
    const inCode = inner?.type === 'code' || inner?.type === 'pre'
    if (inCode ? char !== '`' : !reserved.has(char)) {
      text += char
      at += 1
      continue
    }

    if (inner !== undefined && isEnd(markup, at, inner.type, quoted)) {
      open.pop()
      if (char === '\n') {
        if (inner.type !== 'blockquote') throw unclosed(markup, inner)
        quoted = false
        text += char
      }
      at = close(markup, at, text, inner, entities)
      continue
    }

    const begin = at
    const follows = (next: string) => markup.startsWith(next, at + 1)
    if (char === '\n') {
      text += char
      at += 1
      if (markup[at] !== '>') continue
      at += 1
      if (quoted) continue
    } else if (char === '>') {
      if (at > 0) throw mustBeEscaped(char)
      at += 1
    }
    let type: EntityType
    let language = ''
    switch (char) {
      case '_':
        type = follows('_') ? 'underline' : 'italic'
        at += type === 'underline' ? 2 : 1
        break
      case '*':
        type = 'bold'
        at += 1
        break
      case '~':
        type = 'strikethrough'
        at += 1
        break
      case '|':
        if (!follows('|')) throw mustBeEscaped(char)
        type = 'spoiler'
        at += 2
        break
      case '[':
        type = 'text_link'
        at += 1
        break
      case '!':
        if (!follows('[')) throw mustBeEscaped(char)
        type = 'custom_emoji'
        at += 2
        break
      case '`':
        type = follows('``') ? 'pre' : 'code'
        at += type === 'pre' ? 3 : 1
        if (type === 'pre') {
          const named = /^[^\s`]+(?=[^`])/.exec(markup.slice(at))?.[0] ?? ''
          // Only a whole word that white space ends names a language.
          if (named !== '' && /\s/.test(markup.charAt(at + named.length))) language = named
          at += language.length
          at += /^(\r\n|\n\r|\n|\r)?/.exec(markup.slice(at, at + 2))?.[0].length ?? 0
        }
        break
      case '\n':
      case '>':
        type = 'blockquote'
        quoted = true
        break
      default:
        throw mustBeEscaped(char)
    }
    open.push({ type, language, offset: text.length, begin })
  }

  if (quoted && open.at(-1)?.type === 'blockquote') {
    const { offset } = open.pop() as OpenEntity
    if (text.length > offset) entities.push({ type: 'blockquote', offset, length: text.length - offset })
  }
  const unfinished = open.at(-1)
  if (unfinished !== undefined) throw unclosed(markup, unfinished)
  return { text, entities: sortEntities(entities) }
}

/** A backslash takes its meaning from any ASCII character, everywhere. */
function isEscape(markup: string, at: number): boolean {
  const next = markup.charCodeAt(at + 1)
  return markup[at] === '\\' && next > 0 && next <= 126
}

function isEnd(markup: string, at: number, type: EntityType, quoted: boolean): boolean {
  const here = (mark: string) => markup.startsWith(mark, at)
  if (quoted && here('\n') && markup[at + 1] !== '>') return true
  switch (type) {
    case 'bold':
      return here('*')
    case 'italic':
      return here('_') && !here('__')
    case 'underline':
      return here('__')
    case 'strikethrough':
      return here('~')
    case 'spoiler':
      return here('||')
    case 'code':
      return here('`')
    case 'pre':
      return here('```')
    case 'text_link':
    case 'custom_emoji':
      return here(']')
    case 'blockquote':
      return false
  }
}

/** Records the entity that ends here; returns where to read on. */
function close(
  markup: string,
  at: number,
  text: string,
  { type, language, offset }: OpenEntity,
  entities: Entity[],
): number {
  const length = text.length - offset
  const add = (more: Partial<Entity> = {}) => {
    if (length > 0) entities.push({ type, offset, length, ...more })
  }
  switch (type) {
    case 'text_link': {
      const target = markup[at + 1] === '(' ? readUrl(markup, at + 2, 'a URL') : undefined
      const url = checkedLink(target?.url ?? text.slice(offset))
      if (url !== undefined) add({ url })
      return target?.end ?? at + 1
    }
    case 'custom_emoji': {
      if (markup[at + 1] !== '(') throw new MarkupError('Custom emoji entity must contain a tg://emoji URL')
      const { url, end } = readUrl(markup, at + 2, 'a custom emoji URL')
      const [, id = ''] = /^tg:(?:\/\/)?emoji\?id=(.*)$/i.exec(url) ?? []
      add({ custom_emoji_id: customEmojiId(id) })
      return end
    }
    case 'pre':
      add(language === '' ? {} : { language })
      return at + 3
    case 'underline':
    case 'spoiler':
      add()
      return at + 2
    default:
      add()
      return at + 1
  }
}

function readUrl(markup: string, begin: number, what: string): { url: string; end: number } {
  let url = ''
  for (let at = begin; at < markup.length; at += 1) {
    if (markup[at] === ')') return { url, end: at + 1 }
    if (isEscape(markup, at)) at += 1
    url += markup.charAt(at)
  }
  throw new MarkupError(`Can't find end of ${what} at byte offset ${byteOffset(markup, begin)}`)
}

function mustBeEscaped(char: string): MarkupError {
  return new MarkupError(`Character '${char}' is reserved and must be escaped with the preceding '\\'`)
}

function unclosed(markup: string, { type, begin }: OpenEntity): MarkupError {
  return new MarkupError(
    `Can't find end of ${names[type] ?? type} entity at byte offset ${byteOffset(markup, begin)}`,
  )
}
