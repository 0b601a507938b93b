/** A stretch of a message's text that is formatted. Offset and length count UTF-16 units, as the Bot API does. */
export type Entity = {
  type: EntityType
  offset: number
  length: number
  /** Of `text_link`. */
  url?: string
  /** Of `pre`, where the code's language is named. */
  language?: string
  /** Of `custom_emoji`. */
  custom_emoji_id?: string
}

export type EntityType =
  | 'bold'
  | 'italic'
  | 'underline'
  | 'strikethrough'
  | 'spoiler'
  | 'blockquote'
  | 'code'
  | 'pre'
  | 'text_link'
  | 'custom_emoji'

export type FormattedText = { text: string; entities: Entity[] }

/** Markup that Telegram would refuse, in the words in which it does. */
export class MarkupError extends Error {
  override name = 'MarkupError'
}

/** Telegram names places by the byte of the UTF-8 text. */
export function byteOffset(markup: string, index: number): number {
  return Buffer.byteLength(markup.slice(0, index))
}

/** The outer of two entities that begin together comes first. */
export function sortEntities(entities: Entity[]): Entity[] {
  return entities.sort((a, b) => a.offset - b.offset || b.length - a.length)
}

/** The link as Telegram keeps it; `undefined` where it takes it for plain text. */
export function checkedLink(url: string): string | undefined {
  const link = url.trim()
  if (/^(tg|ton|tonsite|mailto|tel):./i.test(link)) return link
  if (/\s/.test(link) || (/^[a-z][a-z0-9+.-]*:\/\//i.test(link) && !/^https?:\/\//i.test(link)))
    return undefined
  const whole = /^https?:\/\//i.test(link) ? link : `http://${link}`
  return URL.canParse(whole) && new URL(whole).hostname.includes('.') ? whole : undefined
}

/** The id of `tg://emoji?id=…`. */
export function customEmojiId(text: string): string {
  if (!/^[1-9]\d{0,18}$/.test(text)) throw new MarkupError('Invalid custom emoji identifier specified')
  return text
}
