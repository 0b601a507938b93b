import type { TelegramActionConfig } from '../../src/actions/telegram.ts'
import { PermanentError } from '../../src/errors.ts'
import { type DeliveryScope, renderText } from '../../src/render-template.ts'
import { defaultMessage } from '../../src/telegram-message.ts'
import { type Entity, type FormattedText, MarkupError } from './markup.ts'
import { parseHtml } from './parse-html.ts'
import { parseMarkdownV2 } from './parse-markdown-v2.ts'
import { messageLengthMax, splitMessage } from './split-message.ts'

/** One message as it is sent: markup that Telegram reads, or text with entities. */
export type Part = { text: string; parse_mode?: 'HTML' | 'MarkdownV2'; entities?: Entity[] }

/** More would keep a chat busy for half a minute, and is hardly meant. */
const partsMax = 10

const escapeOf = { HTML: 'html', MarkdownV2: 'markdown_v2', plain: 'none' } as const

/**
 * What a delivery says, in as many messages as it takes.
 *
 * @throws PermanentError when the template cannot be rendered, its markup cannot be read, or it makes too much.
 */
export function makeParts(config: TelegramActionConfig, scope: DeliveryScope): Part[] {
  if (scope.alert !== undefined) {
    return splitParts({ text: String(scope.alert.message), entities: [] })
  }
  const { parse_mode: mode, message_template: template } = config
  // A template is about a match: what it says would be said once more of an event that is gone.
  const isMatch = scope.delivery.kind === 'match' || scope.delivery.kind === 'test'
  const markup =
    template === undefined || !isMatch
      ? defaultMessage(scope, mode)
      : renderText(template, scope, { escape: escapeOf[mode], path: 'message_template' })
  if (mode === 'plain') return splitParts({ text: markup, entities: [] })

  // Reading markup only makes it shorter. What fits is left to Telegram to read; only what has to be cut is read here.
  const whole: Part = { text: markup, parse_mode: mode }
  if (markup.length <= messageLengthMax) return [whole]
  const formatted = parse(markup, mode)
  return formatted.text.length <= messageLengthMax ? [whole] : splitParts(formatted)
}

function parse(markup: string, mode: 'HTML' | 'MarkdownV2'): FormattedText {
  try {
    return mode === 'HTML' ? parseHtml(markup) : parseMarkdownV2(markup)
  } catch (error) {
    if (!(error instanceof MarkupError)) throw error
    throw new PermanentError(`message_template: can't parse entities: ${error.message}`)
  }
}

function splitParts(formatted: FormattedText): Part[] {
  const parts = formatted.text.length <= messageLengthMax ? [formatted] : splitMessage(formatted)
  if (parts.length > partsMax) {
    throw new PermanentError(
      `the message has ${formatted.text.length} characters; at most ${partsMax * messageLengthMax} are sent`,
    )
  }
  return parts.map(({ text, entities }) => (entities.length === 0 ? { text } : { text, entities }))
}
