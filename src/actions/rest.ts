import { z } from 'zod'
import { integer, isTemplate, serverUrl, strict, template } from '../document-schema.ts'
import { retryingShape, withAttempts } from './retrying.ts'

/** Headers that are set for the connection, the body or the delivery: to set them breaks requests or smuggles others in. */
const forbiddenHeaders = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te'],
  ...['trailer', 'transfer-encoding', 'upgrade', 'content-length', 'host', 'expect', 'webhook-id'],
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
  body_template: template().optional(),
  timeout_ms: integer(1000, 60_000).default(30_000),
  ...retryingShape,
})
  .refine((config) => config.method !== 'GET' || config.body_template === undefined, {
    path: ['body_template'],
    error: 'expected nothing: a GET request has no body',
    // Also beside other mistakes, so that one answer lists everything.
    when: ({ value }) => typeof value === 'object' && value !== null,
  })
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
    if (typeof value !== 'string' || !/^[\t\x20-\x7e]{0,8192}$/.test(value)) {
      refuse('expected a text of at most 8192 characters of ASCII in one line')
    } else if (isTemplate(value)) {
      refuse('templates are rendered in body_template only')
    }
  }
}
