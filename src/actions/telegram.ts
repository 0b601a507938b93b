import { z } from 'zod'
import { flag, strict, template, text } from '../document-schema.ts'
import { retryingShape, withAttempts } from './retrying.ts'

const parseModes = ['HTML', 'MarkdownV2', 'plain'] as const

const parseModeExpected = `expected one of ${parseModes.join(', ')}`
const chatExpected = 'expected the id of a chat as text, such as "123456789" or "-1001234567890"'
const buttonsExpected = 'expected a list of at most 4 buttons'

const buttonSchema = strict({
  text: text(1, 64),
  /** `mute` silences the chat for an hour; `open_event` opens the transaction in a block explorer. */
  opens: z.enum(['mute', 'open_event'], { error: 'expected mute or open_event' }),
})

/** Under a message, unless its action names others. */
const buttonsDefault: z.output<typeof buttonSchema>[] = [
  { text: 'Open event', opens: 'open_event' },
  { text: 'Mute 1 h', opens: 'mute' },
]

export const telegramConfigSchema = strict({
  chat_id: z.string({ error: chatExpected }).regex(/^-?[1-9]\d{0,18}$/, { error: chatExpected }),
  message_template: text(1, 16_384)
    .pipe(template() as unknown as z.ZodType<string, string>)
    .optional(),
  parse_mode: z
    .enum(parseModes, {
      error: (issue) =>
        issue.input === 'Markdown'
          ? `${parseModeExpected}: the old Markdown cannot escape everywhere what comes from a chain`
          : parseModeExpected,
    })
    .default('HTML'),
  silent: flag().default(false),
  buttons: z
    .array(buttonSchema, { error: buttonsExpected })
    .max(4, { error: buttonsExpected })
    .default(buttonsDefault),
  ...retryingShape,
}).transform(withAttempts)

/** What a Telegram action does, as it is stored: every default is filled in. */
export type TelegramActionConfig = z.output<typeof telegramConfigSchema>

export type ParseMode = TelegramActionConfig['parse_mode']
