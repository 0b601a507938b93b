import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { ProblemError } from './problem.ts'

/** What anybody may ask: probes have no token, the description holds no data, and metrics have a token of their own. */
const open = new Set(['/healthz', '/readyz', '/openapi.json', '/metrics'])

/** Lets only those through who send `Authorization: Bearer <token>`, also where there is nothing to find. */
export function authorize(token: string): MiddlewareHandler {
  const expected = digest(token)
  return async (c, next) => {
    if (!open.has(c.req.path)) {
      const [, given] = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? []
      // Digests have one length, so that the comparison takes the same time for every token.
      if (given === undefined || !timingSafeEqual(digest(given), expected)) {
        const detail =
          given === undefined ? 'Send the header "Authorization: Bearer <token>".' : 'The token is not right.'
        throw new ProblemError(401, detail, { headers: { 'www-authenticate': 'Bearer' } })
      }
    }
    await next()
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
