import type { ParseMode } from './actions/telegram.ts'
import type { DeliveryScope } from './delivery-scope.ts'
import { type EventField, type EventType, eventFields } from './event.ts'
import { escapes } from './templates/emitters.ts'

type Format = {
  text: (text: string) => string
  bold: (text: string) => string
  code: (text: string) => string
}

const html = escapes.html
const markdown = escapes.markdown_v2
const formats: Record<ParseMode, Format> = {
  HTML: { text: html, bold: (text) => `<b>${html(text)}</b>`, code: (text) => `<code>${html(text)}</code>` },
  MarkdownV2: {
    text: markdown,
    bold: (text) => `*${markdown(text)}*`,
    code: (text) => `\`${markdown(text)}\``,
  },
  plain: { text: (text) => text, bold: (text) => text, code: (text) => text },
}

const headlines: Record<EventType, string> = {
  Registered: 'was registered',
  MetadataSet: 'changed its metadata',
  URIUpdated: 'has a new registration file',
  Transfer: 'has a new owner',
  NewFeedback: 'got feedback',
  FeedbackRevoked: 'had feedback revoked',
  ResponseAppended: 'got a response to feedback',
  ValidationRequest: 'asks for a validation',
  ValidationResponse: 'was validated',
}

/** Said otherwise (the agent, the score), or of no use to a reader. */
const unsaid = new Set<EventField>(['agent_id', 'value', 'value_decimals', 'feedback_index'])

/** Registration files can stand in the URI itself. */
const valueLengthMax = 500

/**
 * The message of an action without a template. What comes from the chain stands in code entities: there Telegram makes no
 * links, mentions and commands of it.
 */
export function defaultMessage(scope: DeliveryScope, parseMode: ParseMode): string {
  const { text, bold, code } = formats[parseMode]
  const { event, trigger, chain } = scope
  const fields = (Object.keys(eventFields) as EventField[]).filter((field) => {
    const value = event[field]
    return !unsaid.has(field) && value !== null && value !== '' && !/^0x0{64}$/.test(String(value))
  })
  const lines = [
    ...introductionOf(scope).map(text),
    `${scope.test ? text('Test: ') : ''}${bold(trigger.name)}`,
    `${text('Agent ')}${code(event.agent_id ?? '')}${text(` ${headlines[event.event_type]} on ${chain.name}`)}`,
    ...fields.map(
      (field) => `${text(`${field.replaceAll('_', ' ')}: `)}${code(shorten(String(event[field])))}`,
    ),
    text(`block ${event.block_number}, ${event.block_time.slice(0, 19).replace('T', ' ')} UTC`),
  ]
  return lines.join('\n').toWellFormed()
}

/** What has become of a message that the chat has got before. */
function introductionOf({ delivery, event }: DeliveryScope): string[] {
  const about = `block ${event.block_number} (a reorganisation of the chain)`
  if (delivery.kind === 'retraction')
    return [`Taken back: this is no longer on the chain, which lost ${about}.`]
  if (delivery.kind === 'reinstatement')
    return [`It stands after all: this is on the chain again, in ${about}.`]
  return []
}

function shorten(value: string): string {
  return value.length <= valueLengthMax ? value : `${value.slice(0, valueLengthMax)}…`
}
