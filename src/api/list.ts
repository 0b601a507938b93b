import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { expectedDestination, expectedTime, parseDestination, parseTime } from '../delivery-filter.ts'
import type { Page } from '../store/page.ts'

/** Parts of the keys that pages continue after. */
export const keyPart = {
  number: z.string().regex(/^\d{1,18}$/),
  time: z
    .string()
    .regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00$/)
    .refine(isTime),
  uuid: z.guid(),
  text: z.string().max(200).refine(isStorable),
}

/** Values that lists can be narrowed to. */
export const filter = {
  chainId: number('expected a chain id', 0, Number.MAX_SAFE_INTEGER)
    .optional()
    .openapi({ description: 'Of this chain', example: 8453 }),
  id: z
    .string({ error: 'expected an id, once' })
    .max(200, { error: 'expected an id of at most 200 characters' })
    .refine(isStorable, { error: 'expected an id without NUL characters' })
    .optional(),
  uuid: z.guid({ error: 'expected a UUID' }).optional(),
  time: read(parseTime, expectedTime).optional().openapi({ type: 'string', format: 'date-time' }),
  destination: read(parseDestination, expectedDestination).optional().openapi({
    type: 'string',
    description: 'Host, and port unless it is the default, of the URL that the action has now',
  }),
  oneOf: <const Name extends string>(names: readonly Name[]) =>
    z.enum(names, { error: `expected one of ${names.join(', ')}` }).optional(),
}

/** The query of a list: its filters, the size of a page, and where the page begins. Nothing else. */
export function listQuery<Shape extends z.ZodRawShape, Key extends z.ZodType<readonly string[]>>(
  shape: Shape,
  key: Key,
) {
  const all = {
    ...shape,
    limit: number('expected a whole number from 1 to 500', 1, 500).default(50).openapi({
      description: 'How many at most',
      default: 50,
    }),
    cursor: z
      .string({ error: 'expected the next_cursor of the page before, once' })
      .transform((text, context) => {
        const parsed = key.safeParse(decodeCursor(text))
        if (parsed.success) return parsed.data as readonly string[]
        context.addIssue('expected the next_cursor of the page before')
        return z.NEVER
      })
      .optional()
      .openapi({ type: 'string', description: 'The next_cursor of the page before' }),
  }
  const known = Object.keys(all).join(', ')
  return z.strictObject(all, { error: `unknown; known are ${known}` })
}

/** Answers with one page, and what is to be said beside it. */
export function sendPage<Row>(c: Context, { rows, next }: Page<Row>, beside: object = {}): Response {
  const next_cursor = next === undefined ? null : Buffer.from(JSON.stringify(next)).toString('base64url')
  return c.json({ data: rows, next_cursor, ...beside })
}

function decodeCursor(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}

/** A text that means something to `parse`. */
function read<Value>(parse: (text: string) => Value | undefined, error: string) {
  return z.string({ error: `${error}, once` }).transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.addIssue(error)
    return z.NEVER
  })
}

function number(error: string, min: number, max: number) {
  return z
    .string({ error: `${error}, once` })
    .refine((text) => /^\d{1,16}$/.test(text) && Number(text) >= min && Number(text) <= max, { error })
    .transform(Number)
    .openapi({ type: 'integer', minimum: min, maximum: max })
}

/** Such as Postgres writes it, and reads it again: of a day that there is, of a year after 0. */
function isTime(text: string): boolean {
  const [day = '', clock = ''] = text.split(' ')
  const time = new Date(`${day}T${clock.slice(0, 8)}Z`)
  return Number.isFinite(time.getTime()) && time.getUTCFullYear() > 0 && time.toISOString().startsWith(day)
}

/** Postgres takes no NUL characters; an id with one belongs to nothing. */
export function isStorable(id: string): boolean {
  return !id.includes('\0') && id.isWellFormed()
}
