import { createHash } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { asDatabase } from '../store/as-database.ts'
import {
  idempotencyContext,
  type KeptAnswer,
  keepAnswer,
  takeIdempotencyKey,
} from '../store/idempotency-keys.ts'
import type { ApiApp, ApiContext } from './app.ts'
import type { ApiEnv } from './caller.ts'
import { ProblemError } from './problem.ts'

const headerName = 'Idempotency-Key'
const keptHeaders = ['content-type', 'location', 'etag', 'cache-control']

/** Answers that say "not now": the same request may well be answered otherwise the next time. */
const passing = [408, 425, 429]

/** For the description of a route that makes something: this is also what makes it look at the header. */
export const withIdempotencyKey = {
  parameters: [
    {
      name: headerName,
      in: 'header' as const,
      description:
        '1 to 255 visible characters that no other request of yours has had within 24 hours. The same request with the same key is done once, and gets the same answer again',
      schema: { type: 'string' as const, minLength: 1, maxLength: 255 },
    },
  ],
}

/**
 * Does a request with an `Idempotency-Key` once (draft-ietf-httpapi-idempotency-key-header). The request runs in one transaction, which
 * also holds the key and keeps the answer: whatever dies in between, both are there or neither is, and the key is free again.
 * Requests without the header pay nothing for it.
 */
export function idempotency(
  app: ApiApp,
  { secrets }: Pick<ApiContext, 'secrets'>,
): MiddlewareHandler<ApiEnv> {
  let routes: ReadonlySet<string> | undefined
  return async (c, next) => {
    const given = c.req.header(headerName)
    if (given === undefined || c.req.method !== 'POST') return next()
    routes ??= readRoutes(app)
    const route = matchedRoutes(c).find(({ method }) => method !== 'ALL')
    if (route === undefined || !routes.has(route.path)) return next()

    const place = { userId: c.get('caller').userId, key: parseKey(given) }
    const { pathname, search } = new URL(c.req.url)
    const fingerprint = createHash('sha256')
      .update(`${c.req.method} ${pathname}${search}\n`)
      .update(new Uint8Array(await c.req.arrayBuffer()))
      .digest()

    const db = c.get('db')
    /** Leaves the answer as it is, and undoes what was done. */
    const undo = new Error('undone')
    let before: KeptAnswer | undefined
    try {
      await db.begin(async (transaction) => {
        const found = await takeIdempotencyKey(transaction, place)
        if (found === 'taken') throw underWay()
        before = found
        if (found !== undefined) return
        await transaction
          .savepoint(async (inner) => {
            c.set('db', asDatabase(inner))
            await next()
            if (c.res.status >= 400) throw undo
          })
          .catch((error: unknown) => {
            // A query that failed ends the savepoint also where the route made a sentence of it.
            if (c.error === undefined && c.res.status < 400) throw error
          })
        const { status } = c.res
        if (status >= 500 || passing.includes(status)) throw undo
        const headers = keptHeaders.flatMap((name) => {
          const value = c.res.headers.get(name)
          return value === null ? [] : [[name, value] as const]
        })
        const body = secrets.seal(await c.res.clone().text(), idempotencyContext(place))
        const answer = { fingerprint, status, headers: Object.fromEntries(headers), body }
        await keepAnswer(transaction, { ...place, answer })
      })
    } catch (error) {
      if (error === undo) return
      // What was answered did not come true.
      if (c.finalized) c.res = undefined
      throw error
    } finally {
      c.set('db', db)
    }
    if (before === undefined) return
    if (!before.fingerprint.equals(fingerprint)) throw reused()
    return new Response(secrets.open(before.body, idempotencyContext(place)), {
      status: before.status,
      headers: { ...before.headers, 'idempotency-replayed': 'true' },
    })
  }
}

/** The draft writes the key as a string of RFC 8941, in quotes. Many leave them out; they are no part of the key. */
function parseKey(given: string): string {
  const [, quoted] = /^"([\x20-\x7e]*)"$/.exec(given) ?? []
  const key = quoted ?? given
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw new ProblemError(
    400,
    `Expected ${headerName} to be 1 to 255 visible ASCII characters, such as a new UUID for each request.`,
    { type: 'invalid-idempotency-key' },
  )
}

function underWay(): ProblemError {
  return new ProblemError(
    409,
    'A request with this Idempotency-Key is being answered: try again in a while.',
    {
      type: 'request-under-way',
      headers: { 'retry-after': '1' },
    },
  )
}

function reused(): ProblemError {
  return new ProblemError(
    422,
    'This Idempotency-Key was used for another request. Use a new key, or send exactly what was sent before.',
    { type: 'idempotency-key-reused' },
  )
}

/** The paths of those whose description has the header. */
function readRoutes(app: ApiApp): ReadonlySet<string> {
  const paths = new Set<string>()
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route' || definition.route.method !== 'post') continue
    const { path, parameters = [] } = definition.route
    const isOne = parameters.some((parameter) => 'name' in parameter && parameter.name === headerName)
    if (isOne) paths.add(path.replaceAll(/\{([^}]+)\}/g, ':$1'))
  }
  return paths
}
