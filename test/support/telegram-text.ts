import type { Entity, FormattedText } from '../../worker/telegram/markup.ts'
import { MarkupError } from '../../worker/telegram/markup.ts'
import { parseHtml } from '../../worker/telegram/parse-html.ts'
import { parseMarkdownV2 } from '../../worker/telegram/parse-markdown-v2.ts'

/** A refusal, in the words of the Bot API. */
export class TelegramRefusal extends Error {
  readonly code: number
  readonly parameters: Record<string, unknown>

  constructor(code: number, description: string, parameters: Record<string, unknown> = {}) {
    super(description)
    this.code = code
    this.parameters = parameters
  }
}

/** What Telegram makes of `text` with `parse_mode` or `entities`: what people see. Refuses what it refuses. */
export function readTelegramText(payload: Record<string, unknown>): FormattedText {
  const { text, parse_mode: mode, entities = [] } = payload
  if (typeof text !== 'string' || text === '')
    throw new TelegramRefusal(400, 'Bad Request: message text is empty')
  if (!text.isWellFormed()) throw new TelegramRefusal(400, 'Bad Request: strings must be encoded in UTF-8')
  const read = parse(text, mode, entities as Entity[])
  const trimmed = trim(clean(read))
  if (trimmed.text === '') throw new TelegramRefusal(400, 'Bad Request: message text is empty')
  if (trimmed.text.length > 4096) throw new TelegramRefusal(400, 'Bad Request: message is too long')
  return trimmed
}

function parse(text: string, mode: unknown, entities: Entity[]): FormattedText {
  try {
    if (mode === undefined) return { text, entities: checkEntities(text, entities) }
    if (String(mode).toLowerCase() === 'html') return parseHtml(text)
    if (String(mode).toLowerCase() === 'markdownv2') return parseMarkdownV2(text)
  } catch (error) {
    if (!(error instanceof MarkupError)) throw error
    throw new TelegramRefusal(400, `Bad Request: can't parse entities: ${error.message}`)
  }
  throw new TelegramRefusal(400, 'Bad Request: unsupported parse_mode')
}

function checkEntities(text: string, entities: Entity[]): Entity[] {
  for (const { offset, length } of entities) {
    const cuts = [offset, offset + length].filter((at) => /[\udc00-\udfff]/.test(text.charAt(at)))
    if (offset < 0 || length <= 0 || offset + length > text.length || cuts.length > 0) {
      throw new TelegramRefusal(400, 'Bad Request: entity beginning or end is wrong')
    }
  }
  return entities
}

const vanishing = new Set([0x0d, 0x333, 0x33f, 0x30a])

/** What every text goes through (`clean_input_string` in tdlib): control characters become spaces, some marks vanish. */
export function cleanText(text: string): string {
  return Array.from(text, (character) => {
    const code = character.charCodeAt(0)
    if (vanishing.has(code) || (code >= 0x2028 && code <= 0x202e)) return ''
    return code < 32 && character !== '\n' ? ' ' : character
  }).join('')
}

function clean({ text, entities }: FormattedText): FormattedText {
  const before = (at: number) => cleanText(text.slice(0, at)).length
  return {
    text: cleanText(text),
    entities: entities
      .map((entity) => ({
        ...entity,
        offset: before(entity.offset),
        length: before(entity.offset + entity.length) - before(entity.offset),
      }))
      .filter(({ length }) => length > 0),
  }
}

function trim({ text, entities }: FormattedText): FormattedText {
  const end = text.trimEnd().length
  const first = Math.min(end, ...entities.map(({ offset }) => offset))
  const start = Math.min(first, /^[ \n]*/.exec(text)?.[0].length ?? 0)
  return {
    text: text.slice(start, end),
    entities: entities
      .map((entity) => ({
        ...entity,
        offset: entity.offset - start,
        length: Math.min(entity.offset + entity.length, end) - entity.offset,
      }))
      .filter(({ length }) => length > 0),
  }
}
