import { createRoute, z } from '@hono/zod-openapi'
import { describeError } from '../errors.ts'
import { describeMissingMigrations } from '../migrate.ts'
import { within } from '../within.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { anybody, problemResponses, problems, resourceResponse } from './describe.ts'
import { ProblemError } from './problem.ts'

/** A database that takes longer to say yes is not one to send requests to. */
const patienceMs = 5000

export function addHealth(app: ApiApp, { db, log }: ApiContext): void {
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

  app.openapi(
    createRoute({
      tags: ['health'],
      security: anybody,
      method: 'get',
      path: '/readyz',
      operationId: 'readReadiness',
      summary: 'Whether requests can be answered: the database is there and has every migration',
      responses: { 200: resourceResponse('Health', 'They can'), ...problems(503), ...problemResponses },
    }),
    async (c) => {
      const missing = await within(patienceMs, describeMissingMigrations(db)).catch((error) => {
        log.warn({ error: describeError(error) }, 'not ready')
        throw new ProblemError(503, 'The database does not answer.')
      })
      if (missing !== undefined) throw new ProblemError(503, missing)
      return c.json({ status: 'ready' }, 200)
    },
  )
}
