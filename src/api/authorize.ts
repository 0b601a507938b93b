import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Database } from '../db.ts'
import type { Scope } from '../scopes.ts'
import { asUser } from '../store/as-user.ts'
import type { UserConnections } from '../store/user-connections.ts'
import type { ApiApp } from './app.ts'
import type { ApiEnv, Caller } from './caller.ts'
import { docsPaths } from './docs.ts'
import { ProblemError } from './problem.ts'

/** Finds out whose credential this is. `undefined`: nobody's, or not any more. */
export type Authenticate = (credential: string) => Caller | undefined | Promise<Caller | undefined>

/** The description and its page hold no data, and metrics have a token of their own. Everything else says by its `security` whom it is for. */
const ownPaths = new Set(['/openapi.json', '/metrics', ...docsPaths])

/**
 * Lets only those through whose credential has the scope that the route declares in its `security`, also where there is nothing
 * to find. A route that declares nothing is open to nobody; one with an empty list is open to anybody.
 */
export function authorize(
  app: ApiApp,
  { db, reads }: { db: Database; reads?: UserConnections | undefined },
  authenticate: Authenticate,
): MiddlewareHandler<ApiEnv> {
  let needed: Map<string, readonly string[] | 'nothing'> | undefined
  return async (c, next) => {
    needed ??= readNeeds(app)
    const route = matchedRoutes(c).find(({ method }) => method !== 'ALL')
    c.set('route', route?.path)
    const wanted = route && needed.get(`${route.method} ${route.path}`)
    if (wanted === 'nothing' || ownPaths.has(c.req.path)) return next()

    const [, given] = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? []
    if (given === undefined) throw unknown('Send the header "Authorization: Bearer <token>".')
    const caller = await authenticate(given)
    if (caller === undefined) throw unknown('The token is not right, or not any more.')
    c.set('caller', caller)
    if (route !== undefined) {
      const lacking =
        wanted === undefined
          ? ['a scope that nobody has']
          : wanted.filter((scope) => !caller.scopes.includes(scope as Scope))
      if (lacking.length > 0) {
        throw new ProblemError(403, `This needs a credential with the scope ${lacking.join(', ')}.`, {
          headers: {
            'www-authenticate': `Bearer error="insufficient_scope", scope="${wanted?.join(' ') ?? ''}"`,
          },
        })
      }
    }
    c.set('db', asUser(db, caller.userId, reads))
    return next()
  }
}

function unknown(detail: string): ProblemError {
  return new ProblemError(401, detail, { headers: { 'www-authenticate': 'Bearer' } })
}

/** What each route needs, as the description says it. */
function readNeeds(app: ApiApp): Map<string, readonly string[] | 'nothing'> {
  const needs = new Map<string, readonly string[] | 'nothing'>()
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue
    const { method, path, security } = definition.route
    if (security === undefined) continue
    const name = `${method.toUpperCase()} ${path.replaceAll(/\{([^}]+)\}/g, ':$1')}`
    const [only] = security
    needs.set(name, only === undefined ? 'nothing' : (only.bearer ?? []))
  }
  return needs
}
