import { createRoute, z } from '@hono/zod-openapi'
import { registries } from '../event.ts'
import { readStats } from '../store/stats.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, problemResponses, resourceResponse } from './describe.ts'
import { filter } from './list.ts'
import { invalid } from './problem.ts'

const hourMs = 60 * 60 * 1000
const daysMax = 92

const query = z.strictObject(
  {
    chain_id: filter.chainId.openapi({ description: 'Events of this chain; attempts are of all chains' }),
    since: filter.time.openapi({
      description: 'The hour that holds it is the first; a day ago, unless given',
    }),
    until: filter.time.openapi({
      description: 'The last moment asked for; now, unless given. Hours are whole',
    }),
  },
  { error: 'unknown; known are chain_id, since, until' },
)

const time = z.iso.datetime()
const statsSchema = z.object({
  since: time,
  until: time.openapi({ description: 'The end of the last hour' }),
  events: z
    .array(
      z.object({ chain_id: z.int(), registry: z.enum(registries), event_type: z.string(), count: z.int() }),
    )
    .openapi({ description: 'Canonical events' }),
  hours: z
    .array(z.object({ hour: time, count: z.int() }))
    .openapi({ description: 'The same by hour; hours without any are left out' }),
  actions: z
    .array(
      z.object({
        hour: time,
        action_type: z.enum(['telegram', 'rest', 'mcp']),
        count: z.int(),
        success: z.int(),
        failure: z.int(),
        avg_duration_ms: z.int(),
        p95_duration_ms: z.int(),
      }),
    )
    .openapi({ description: 'Attempts of all users by the hour in which they began; with the scope admin' }),
})

export function addStats(app: ApiApp, { db }: ApiContext): void {
  app.openAPIRegistry.register('Stats', statsSchema)
  app.openapi(
    createRoute({
      tags: ['events'],
      security: needs('events:read'),
      method: 'get',
      path: '/v1/stats',
      operationId: 'readStats',
      summary: 'Count events and attempts by hour',
      request: { query },
      responses: {
        200: resourceResponse('Stats', 'The counts of the last day, or of the hours asked for'),
        ...problemResponses,
      },
    }),
    async (c) => {
      const { chain_id, since: from, until: to = new Date() } = c.req.valid('query')
      const since = startOfHour(from ?? new Date(to.getTime() - 24 * hourMs))
      // An hour of which no moment is asked for is not the last one.
      const until = new Date(Math.ceil(to.getTime() / hourMs) * hourMs)
      const message =
        since >= until
          ? 'the range is empty: expected a time before until'
          : until.getTime() - since.getTime() > daysMax * 24 * hourMs
            ? `expected a time at most ${daysMax} days before until`
            : undefined
      if (message !== undefined) throw invalid('query', [{ path: ['since'], message }])
      const { actions: ofAll, ...counts } = await readStats(db, { chain_id, since, until })
      // Of all users together: what others do is for who runs the installation.
      const actions = c.get('caller').scopes.includes('admin') ? ofAll : []
      return c.json({ since, until, ...counts, actions }, 200)
    },
  )
}

function startOfHour(time: Date): Date {
  return new Date(Math.floor(time.getTime() / hourMs) * hourMs)
}
