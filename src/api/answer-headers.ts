import type { MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { secureHeaders } from 'hono/secure-headers'

/** What a program in a page of another origin needs, besides the body. */
const exposed = [
  'ETag',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'X-Request-Id',
  'Idempotency-Replayed',
]

const accepted = [
  'Accept',
  'Authorization',
  'Content-Type',
  'If-Match',
  'If-None-Match',
  'Idempotency-Key',
  'Last-Event-ID',
  'MCP-Protocol-Version',
  'X-Request-Id',
]

/**
 * The headers of every answer that tell browsers what they must not do with it. Data is no page: nothing is loaded, framed or guessed.
 * What a route sets itself (the page at /docs has a policy of its own) stays.
 */
export function protect({ publicUrl }: { publicUrl?: string | undefined }): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    xFrameOptions: 'DENY',
    // It binds the whole host, for a year: only who says that people reach the API by https means it.
    strictTransportSecurity: publicUrl?.toLowerCase().startsWith('https:') === true && 'max-age=31536000',
    // For browsers that are gone, or about what a page does.
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
    removePoweredBy: false,
    overwrite: false,
  })
}

/**
 * Lets pages of these origins ask, by the credential that they send. There are no cookies, and so no credentials of the browser's own.
 * Without origins there is nothing to let: browsers refuse by themselves.
 */
export function letOrigins(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: accepted,
    exposeHeaders: exposed,
    maxAge: 600,
  })
}
