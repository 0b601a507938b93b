import { createRoute, z } from '@hono/zod-openapi'
import { describeError } from '../errors.ts'
import { describeMissingMigrations } from '../migrate.ts'
import { within } from '../within.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { anybody, problemResponses, problems, resourceResponse } from './describe.ts'
import { ProblemError } from './problem.ts'
import { logOf } from './watch-requests.ts'

/** A database that takes longer to say yes is not one to send requests to. */
const patienceMs = 2000

/** Probes share a look at the database, so that one that hangs is not asked by more and more connections; after this it is asked again. */
const lookMs = 10_000

export function addHealth(app: ApiApp, { db, log, signal }: Pick<ApiContext, 'db' | 'log' | 'signal'>): void {
  app.openAPIRegistry.register('Health', z.object({ status: z.enum(['ok', 'ready']) }))

  app.openapi(
    createRoute({
      tags: ['health'],
      security: anybody,
      method: 'get',
      path: '/healthz',
      operationId: 'readHealth',
      summary: 'Whether the process lives',
      responses: { 200: resourceResponse('Health', 'It does') },
    }),
    (c) => c.json({ status: 'ok' }, 200),
  )

  let look: { missing: Promise<string | undefined>; beganMs: number } | undefined
  const lookAtDatabase = () => {
    if (look === undefined || performance.now() - look.beganMs > lookMs) {
      const own = { missing: describeMissingMigrations(db), beganMs: performance.now() }
      const forget = () => {
        if (look === own) look = undefined
      }
      own.missing.then(forget, forget)
      look = own
    }
    return look.missing
  }

  app.openapi(
    createRoute({
      tags: ['health'],
      security: anybody,
      method: 'get',
      path: '/readyz',
      operationId: 'readReadiness',
      summary: 'Whether requests can be answered: the database is there and has every migration',
      description:
        'Not ready: the database does not answer within 2 s, it lacks migrations, or the process is stopping',
      responses: { 200: resourceResponse('Health', 'They can'), ...problems(503), ...problemResponses },
    }),
    async (c) => {
      if (signal?.aborted === true) throw new ProblemError(503, 'The process is stopping.')
      const missing = await within(patienceMs, lookAtDatabase()).catch((error) => {
        logOf(c, log).warn({ error: describeError(error) }, 'not ready')
        throw new ProblemError(503, 'The database does not answer.')
      })
      if (missing !== undefined) throw new ProblemError(503, missing)
      return c.json({ status: 'ready' }, 200)
    },
  )
}
