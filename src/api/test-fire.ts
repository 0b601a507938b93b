import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { eventTypes, registries } from '../event.ts'
import { fireTest } from '../fire-test.ts'
import type { ApiApp } from './app.ts'
import { needs, problemResponses, problems, resourceResponse } from './describe.ts'
import { withIdempotencyKey } from './idempotency.ts'
import { readJsonBody } from './json-body.ts'
import { filter, isStorable } from './list.ts'
import { invalid, notFound, ProblemError, toProblems } from './problem.ts'

const waitMaxS = 30

/** Which event is asked for: one of these, or nothing. */
export const eventChoice = {
  event_id: filter.id.openapi({ description: 'A stored event' }),
  event_type: filter
    .oneOf(registries.flatMap((registry) => eventTypes[registry]))
    .openapi({ description: 'A sample event of this type' }),
}

const bodyShape = {
  ...eventChoice,
  action_ids: z
    .array(z.int().min(1), { error: 'expected a list of ids of actions' })
    .min(1, { error: 'expected at least one id, or no list for all actions' })
    .max(20, { error: 'expected at most 20 ids' })
    .optional()
    .openapi({ description: 'Of the actions to run; all of them unless given' }),
}

const bodySchema = z
  .strictObject(bodyShape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown; known are ${Object.keys(bodyShape).join(', ')}`
        : 'expected an object',
  })
  .refine((given) => given.event_id === undefined || given.event_type === undefined, {
    error: 'expected either event_id or event_type',
  })

const query = z.strictObject(
  {
    wait: z
      .string({ error: 'expected seconds, once' })
      .refine((text) => /^\d{1,2}$/.test(text) && Number(text) <= waitMaxS, {
        error: `expected a whole number of seconds from 0 to ${waitMaxS}`,
      })
      .transform(Number)
      .optional()
      .openapi({
        type: 'integer',
        minimum: 0,
        maximum: waitMaxS,
        description: 'Wait so many seconds for every first attempt to end',
      }),
  },
  { error: 'unknown; known is wait' },
)

export function addTestFire(app: ApiApp): void {
  app.openAPIRegistry.register('TestRequest', bodySchema)
  app.openAPIRegistry.registerComponent('schemas', 'TestFired', {
    type: 'object',
    required: ['event_id', 'deliveries'],
    properties: {
      event_id: { type: 'string' },
      deliveries: { type: 'array', items: { $ref: '#/components/schemas/DeliveryWithResults' } },
    },
  })
  const done = resourceResponse('TestFired', 'Every delivery was attempted: results say how it went')
  const made = resourceResponse('TestFired', 'The deliveries are made, and go the way of all others')

  app.openapi(
    createRoute({
      tags: ['triggers'],
      security: needs('triggers:write'),
      ...withIdempotencyKey,
      method: 'post',
      path: '/v1/triggers/{id}/test',
      summary: 'Run the actions of a trigger, enabled or not, for a stored event or a sample',
      request: {
        params: z.object({ id: z.string() }),
        query,
        body: {
          required: false,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/TestRequest' } } },
        },
      },
      responses: { 200: done, 202: made, ...problems(422), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const { wait = 0 } = c.req.valid('query')
      const parsed = bodySchema.safeParse(await readBody(c))
      if (!parsed.success) throw invalid('body', toProblems(parsed.error))
      if (wait > 0 && c.req.header('idempotency-key') !== undefined) {
        // What is made with a key is there for others only once its answer is kept.
        const message = 'expected 0 with an Idempotency-Key: nothing is sent before the answer'
        throw invalid('query', [{ path: ['wait'], message }])
      }
      const { event_id: eventId, event_type: eventType, action_ids: actionIds } = parsed.data
      const { signal } = c.req.raw
      const { userId } = c.get('caller')
      const options = { userId, eventId, eventType, actionIds, waitMs: wait * 1000, signal }
      const fired = isStorable(id) ? await fireTest(c.get('db'), id, options) : undefined
      if (fired === undefined) throw notFound('trigger', id)
      if ('misfit' in fired) throw unfit(fired.misfit.path, fired.misfit.message)
      const answer = { event_id: fired.eventId, deliveries: fired.deliveries }
      return c.json(answer, wait > 0 && fired.tried ? 200 : 202)
    },
  )
}

/** A request that is well-formed and does not fit what is stored. */
export function unfit(path: (string | number)[], message: string): ProblemError {
  return new ProblemError(422, 'The request does not fit.', { problems: [{ path, message }] })
}

/** Nothing at all asks for the defaults. */
async function readBody(c: Context): Promise<unknown> {
  return (await c.req.arrayBuffer()).byteLength === 0 ? {} : await readJsonBody(c)
}
