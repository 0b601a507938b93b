import type { Entity, FormattedText } from './markup.ts'

/** What Telegram takes in one message, in UTF-16 units after the markup is read. */
export const messageLengthMax = 4096

/**
 * Cuts a text into parts that fit into messages: at the end of a line, or else of a word, or else between two characters.
 * The parts put together are the text. Formatting that goes over a cut ends in one part and goes on in the next.
 */
export function splitMessage(
  { text, entities }: FormattedText,
  lengthMax = messageLengthMax,
): FormattedText[] {
  const parts: FormattedText[] = []
  for (let begin = 0; begin < text.length; ) {
    const end =
      text.length - begin <= lengthMax ? text.length : findCut(text, entities, begin, begin + lengthMax)
    parts.push({ text: text.slice(begin, end), entities: within(entities, begin, end) })
    begin = end
  }
  // Telegram refuses a message of white space.
  return parts.filter((part) => part.text.trim() !== '')
}

/** A cut after white space leaves it at the end of the part, where Telegram drops it. */
function findCut(text: string, entities: readonly Entity[], begin: number, limit: number): number {
  // A line or word border that would leave a part nearly empty is no better than a cut in a word.
  const earliest = begin + Math.ceil((limit - begin) / 4)
  for (const border of ['\n', ' ']) {
    const cut = text.lastIndexOf(border, limit - 1) + 1
    if (cut > earliest && !isInsideEmoji(entities, cut)) return cut
  }
  const emoji = entities.find((entity) => isInside(entity, limit) && entity.type === 'custom_emoji')
  if (emoji !== undefined && emoji.offset > begin) return emoji.offset
  const isPair = /[\ud800-\udbff]/.test(text.charAt(limit - 1)) && /[\udc00-\udfff]/.test(text.charAt(limit))
  return isPair ? limit - 1 : limit
}

function within(entities: readonly Entity[], begin: number, end: number): Entity[] {
  return entities
    .filter(({ offset, length }) => offset < end && offset + length > begin)
    .map((entity) => {
      const from = Math.max(entity.offset, begin)
      return { ...entity, offset: from - begin, length: Math.min(entity.offset + entity.length, end) - from }
    })
}

function isInsideEmoji(entities: readonly Entity[], cut: number): boolean {
  return entities.some((entity) => entity.type === 'custom_emoji' && isInside(entity, cut))
}

function isInside({ offset, length }: Entity, cut: number): boolean {
  return offset < cut && cut < offset + length
}
