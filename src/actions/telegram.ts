import { z } from 'zod'
import { flag, strict, text } from '../document-schema.ts'
import { retryingShape, withAttempts } from './retrying.ts'

const parseModes = ['HTML', 'MarkdownV2', 'plain'] as const

const buttonSchema = strict({
  text: text(1, 64),
  /** `mute` silences the chat for an hour; `open_event` opens the transaction in a block explorer. */
  opens: z.enum(['mute', 'open_event'], { error: 'expected mute or open_event' }),
})

export const telegramConfigSchema = strict({
  chat_id: z
    .string({ error: 'expected the id of a chat as text, such as "123456789"' })
    .regex(/^-?\d{1,20}$/, { error: 'expected the id of a chat as text, such as "123456789"' }),
  message_template: text(1, 16_384).optional(),
  parse_mode: z.enum(parseModes, { error: `expected one of ${parseModes.join(', ')}` }).default('HTML'),
  silent: flag().default(false),
  buttons: z
    .array(buttonSchema, { error: 'expected a list of at most 4 buttons' })
    .max(4, { error: 'expected a list of at most 4 buttons' })
    .default([]),
  ...retryingShape,
}).transform(withAttempts)

/** What a Telegram action does, as it is stored: every default is filled in. */
export type TelegramActionConfig = z.output<typeof telegramConfigSchema>
