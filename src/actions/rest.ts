import { z } from 'zod'
import { integer, isTemplate, pause, serverUrl, strict, template, text } from '../document-schema.ts'
import { checkTemplate } from '../render-template.ts'
import { retryingShape, withAttempts } from './retrying.ts'

const headerLengthMax = 8192

export const headerValueExpected = `expected a text of at most ${headerLengthMax} characters of ASCII in one line`

/** Headers that are set for the connection, the body or the delivery: to set them breaks requests or smuggles others in. */
const forbiddenHeaders = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te'],
  ...['trailer', 'transfer-encoding', 'upgrade', 'content-length', 'host', 'expect'],
  ...['webhook-id', 'webhook-timestamp', 'webhook-signature'],
])

const methods = ['POST', 'PUT', 'PATCH', 'GET', 'DELETE'] as const

export const restConfigSchema = strict({
  url: serverUrl(),
  method: z.enum(methods, { error: `expected one of ${methods.join(', ')}` }).default('POST'),
  headers: z
    .record(z.string(), z.unknown().meta({ type: 'string' }), {
      error: 'expected an object of header names and texts',
    })
    .superRefine(checkHeaders)
    .transform((headers) => headers as Record<string, string>)
    .default({}),
  query: z
    .record(z.string(), text(0, 8192), { error: 'expected an object of names and texts' })
    .superRefine(checkQuery)
    .optional()
    .meta({ description: "Added to the URL's own query; values are templates" }),
  body_template: template().optional(),
  batch: strict({ max: integer(2, 100).default(100), wait: pause() })
    .optional()
    .meta({
      description:
        'Several matches in one request: those that come within `wait` of the first, at most `max`',
    }),
  timeout_ms: integer(1000, 60_000).default(30_000),
  ...retryingShape,
})
  .refine((config) => config.method !== 'GET' || config.body_template === undefined, {
    path: ['body_template'],
    error: 'expected nothing: a GET request has no body',
    // Also beside other mistakes, so that one answer lists everything.
    when: ({ value }) => typeof value === 'object' && value !== null,
  })
  .refine(
    (config) => config.batch === undefined || (config.method !== 'GET' && config.body_template === undefined),
    {
      path: ['batch'],
      error: 'expected nothing: a batch has a body of its own, so there is no body_template and no GET',
      when: ({ value }) => typeof value === 'object' && value !== null,
    },
  )
  .transform(withAttempts)

/** What a REST action does, as it is stored: every default is filled in. */
export type RestActionConfig = z.output<typeof restConfigSchema>

function checkHeaders(headers: Record<string, unknown>, context: z.core.$RefinementCtx): void {
  const names = Object.keys(headers)
  if (names.length > 50) context.addIssue('expected at most 50 headers')
  for (const [name, value] of Object.entries(headers)) {
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: [name], message })
    if (!/^[\w!#$%&'*+.^`|~-]{1,100}$/.test(name)) {
      refuse('expected a header name: letters, digits and -')
    } else if (forbiddenHeaders.has(name.toLowerCase())) {
      refuse('this header is set for every request: leave it out')
    } else if (names.some((other) => other !== name && other.toLowerCase() === name.toLowerCase())) {
      refuse('this header is given twice: upper and lower case make no difference')
    }
    if (!isHeaderValue(value)) refuse(headerValueExpected)
    // A mistake in it is told without the text around it, which may be a secret.
    else if (isTemplate(value)) {
      for (const { message } of checkTemplate(value)) refuse(message.replaceAll(/"[^"]*"/g, '"…"'))
    }
  }
}

function checkQuery(query: Record<string, string>, context: z.core.$RefinementCtx): void {
  if (Object.keys(query).length > 50) context.addIssue('expected at most 50 parameters')
  for (const [name, value] of Object.entries(query)) {
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: [name], message })
    if (name === '' || name.length > 200) refuse('expected a name of 1 to 200 characters')
    for (const { message } of checkTemplate(value)) refuse(message)
  }
}

/** Whether it can be sent as it is: with a line break in it, it would add headers of its own. */
export function isHeaderValue(value: unknown): value is string {
  return typeof value === 'string' && value.length <= headerLengthMax && /^[\t\x20-\x7e]*$/.test(value)
}
