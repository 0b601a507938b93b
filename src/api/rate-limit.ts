import type { Context, MiddlewareHandler } from 'hono'
import { Counter, Registry } from 'prom-client'
import type { Database } from '../db.ts'
import type { Log } from '../log.ts'
import type { Cidr } from '../outbound/cidr.ts'
import type { Rate } from '../parse-rate.ts'
import type { ApiEnv } from './caller.ts'
import { clientAddress, networkOf } from './client-address.ts'
import { createRateCounter, type RateCounter, type Usage } from './count-rate.ts'
import { ProblemError } from './problem.ts'

/** A rate that is `undefined` is no limit. */
export type RateLimits = {
  credential: Rate | undefined
  anonymous: Rate | undefined
  costly: Rate | undefined
  trustedProxies: readonly Cidr[]
}

/** Who asks whether the process lives must always hear it, and metrics have a token of their own. */
const unlimited = new Set(['/healthz', '/readyz', '/metrics'])

/** A replay of history, a download of everything, a password hash. */
const costlyPaths = [
  /^POST \/v1\/triggers\/([^/]+\/)?backtest$/,
  /^POST \/v1\/auth\/(login|register|wallet\/login)$/,
]

export type RateLimiter = {
  limit(authorize: MiddlewareHandler<ApiEnv>): MiddlewareHandler<ApiEnv>
  metrics: Registry
}

/**
 * Limits what users and addresses may ask. Users are counted by themselves, wherever they come from; by their address who gives no credential, or
 * one that is refused. The installation's own token has no limit. docs/limits.md
 */
export function createRateLimiter(db: Database, log: Log, limits: RateLimits): RateLimiter {
  const metrics = new Registry()
  const refused = new Counter({
    name: 'tocsin_rate_limited_total',
    help: 'Requests that this process refused since there were too many, by limit',
    labelNames: ['limit'],
    registers: [metrics],
  })
  const failures = new Counter({
    name: 'tocsin_rate_limit_store_failures_total',
    help: 'Times that this process could not count in the database, and counted by itself',
    registers: [metrics],
  })
  const counter = (name: string, rate: Rate | undefined, isExact: boolean) =>
    rate && createRateCounter(db, log, { name, rate, isExact, onFailure: () => failures.inc() })
  const counters = {
    credential: counter('credential', limits.credential, false),
    anonymous: counter('anonymous', limits.anonymous, false),
    costly: counter('costly', limits.costly, true),
  }

  const take = async (name: keyof typeof counters, who: string | undefined) => {
    const used = counters[name]
    if (used === undefined || who === undefined) return
    const usage = await used.take(who)
    const headers = describe(used, usage)
    if (!usage.isAllowed) {
      refused.inc({ limit: name })
      const wait = String(Math.max(1, usage.resetSeconds))
      throw new ProblemError(429, `There were too many requests. Come again in ${wait} s.`, {
        headers: { ...headers, 'retry-after': wait },
      })
    }
    return headers
  }

  /** `undefined`: somebody who has no limit. */
  const whoAsks = (c: Context<ApiEnv>) => {
    const caller = callerOf(c)
    if (caller !== undefined) return caller.kind === 'operator' ? undefined : `u:${caller.userId}`
    const address = clientAddress(c, limits.trustedProxies)
    return address === undefined ? undefined : `a:${networkOf(address)}`
  }
  const takeUsual = (c: Context<ApiEnv>) =>
    take(callerOf(c) === undefined ? 'anonymous' : 'credential', whoAsks(c))

  return {
    metrics,
    limit: (authorize) => async (c, next) => {
      if (unlimited.has(c.req.path)) return authorize(c, next)
      let isKnown = false
      try {
        return await authorize(c, async () => {
          isKnown = true
          let headers = await takeUsual(c)
          if (isCostly(c)) headers = (await take('costly', whoAsks(c))) ?? headers
          await next()
          // Not by c.header(), which would make the whole answer again.
          for (const [header, value] of Object.entries(headers ?? {})) c.res.headers.set(header, value)
        })
      } catch (error) {
        // A credential that is none, or lacks a scope, is counted as well.
        if (!isKnown && error instanceof ProblemError) Object.assign(error.headers, await takeUsual(c))
        throw error
      }
    },
  }
}

/** `undefined`: the request has no credential, or one that was refused. */
function callerOf(c: Context<ApiEnv>) {
  return c.get('caller') as ApiEnv['Variables']['caller'] | undefined
}

function isCostly(c: Context): boolean {
  const { method, path } = c.req
  if (method === 'GET' && path === '/v1/events')
    return /csv|ndjson/i.test(c.req.query('format') ?? c.req.header('accept') ?? '')
  return costlyPaths.some((costly) => costly.test(`${method} ${path}`))
}

/** As draft-ietf-httpapi-ratelimit-headers-10 has it. */
function describe({ name, rate }: RateCounter, { remaining, resetSeconds }: Usage): Record<string, string> {
  return {
    'ratelimit-policy': `"${name}";q=${rate.count};w=${rate.windowSeconds}`,
    ratelimit: `"${name}";r=${remaining};t=${resetSeconds}`,
  }
}
