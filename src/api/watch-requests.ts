import { randomUUID } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { requestId } from 'hono/request-id'
import { Histogram, Registry } from 'prom-client'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ApiEnv } from './caller.ts'
import { ProblemError } from './problem.ts'

/** Asked every few seconds by whoever supervises: told only when they go wrong, or at the level debug. */
const probes = new Set(['/healthz', '/readyz', '/metrics'])

/**
 * Gives each request the id that it came with, if that is well-formed, or a new one: `c.get('requestId')`, and `X-Request-Id` of the answer.
 */
export function nameRequest(): MiddlewareHandler<ApiEnv> {
  return requestId({
    limitLength: 128,
    // Those with a dot, which hono would not take.
    generator: (c) => {
      const given = c.req.header('x-request-id')
      return given !== undefined && /^[\w.=-]{1,128}$/.test(given) ? given : randomUUID()
    },
  })
}

/** The log for what a request has to say. */
export function logOf(c: Context<ApiEnv>, log: Log): Log {
  return log.child({ request_id: c.get('requestId') })
}

/**
 * Logs one line for each request, and measures it. By the pattern of its route: what stands in a path, a query, a header or a
 * body is in neither. Times are until the answer begins.
 */
export function watchRequests(log: Log): { watch: MiddlewareHandler<ApiEnv>; metrics: Registry } {
  const metrics = new Registry()
  const seconds = new Histogram({
    name: 'tocsin_http_request_duration_seconds',
    help: 'Requests that this process answered, until the answer began; status: 2xx, 4xx …',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 1, 5, 30],
    registers: [metrics],
  })
  // The library puts a key together from the labels each time.
  const ofRoute = new Map<string, { observe(value: number): void }>()

  const watch: MiddlewareHandler<ApiEnv> = async (c, next) => {
    const began = performance.now()
    await next()
    const ms = performance.now() - began

    const id = c.get('requestId')
    const { headers, status } = c.res
    // An answer that was made without the context has it not yet.
    if (!headers.has('x-request-id')) headers.set('x-request-id', id)

    const { method } = c.req
    const route = c.get('route') ?? 'none'
    const kind = Math.trunc(status / 100)
    const key = `${kind}${method}${route}`
    let observed = ofRoute.get(key)
    if (observed === undefined) {
      observed = seconds.labels({ method, route, status: `${kind}xx` })
      ofRoute.set(key, observed)
    }
    observed.observe(ms / 1000)

    const caller = c.get('caller') as ApiEnv['Variables']['caller'] | undefined
    const line: Record<string, unknown> = {
      request_id: id,
      method,
      route,
      status,
      ms: Math.round(ms * 10) / 10,
      user_id: caller?.userId,
    }
    const { error } = c
    const isForeseen = error instanceof ProblemError || error instanceof HTTPException
    if (error !== undefined && (status >= 500 || !isForeseen)) line.error = describeError(error)
    if (probes.has(route)) return void log[status < 400 ? 'debug' : 'warn'](line, 'probe')
    if (status >= 500) {
      if (!isForeseen) line.stack = error?.stack
      return void log.error(line, 'request failed')
    }
    log[error === undefined || isForeseen ? 'info' : 'warn'](line, 'request')
  }
  return { watch, metrics }
}
