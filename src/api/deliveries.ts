import { createRoute, z } from '@hono/zod-openapi'
import {
  type Change,
  cancelDelivery,
  deadStates,
  retryDeliveries,
  retryDelivery,
} from '../store/dead-letters.ts'
import {
  type DeliveryRow,
  deliveryKinds,
  deliveryStates,
  listDeliveries,
  readDelivery,
} from '../store/deliveries-read.ts'
import type { ApiApp } from './app.ts'
import { needs, pageResponse, problemResponses, problems, resourceResponse } from './describe.ts'
import { withIdempotencyKey } from './idempotency.ts'
import { readJsonBody } from './json-body.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'
import { invalid, notFound, ProblemError, toProblems } from './problem.ts'
import { resultSchema } from './results.ts'

const narrowing = {
  trigger_id: filter.id.openapi({ description: 'Of this trigger' }),
  destination: filter.destination,
  since: filter.time.openapi({ description: 'Ended since then or, while it has not ended, made since then' }),
}

const query = listQuery(
  {
    state: filter.oneOf(deliveryStates).openapi({ description: 'In this state' }),
    kind: filter.oneOf(deliveryKinds).openapi({ description: 'Of this kind' }),
    ...narrowing,
  },
  z.tuple([keyPart.time, keyPart.uuid]),
)

/** At least one filter, so that an empty object, easily sent by mistake, does not retry everything. */
const bulkSchema = z
  .strictObject(
    {
      state: filter.oneOf(deadStates).openapi({ description: 'In this state; in any of them unless given' }),
      ...narrowing,
    },
    {
      error: (issue) =>
        issue.code === 'unrecognized_keys'
          ? `unknown; known are ${['state', ...Object.keys(narrowing)].join(', ')}`
          : 'expected an object',
    },
  )
  .refine((given) => Object.values(given).some((value) => value !== undefined), {
    error: `expected at least one of ${['state', ...Object.keys(narrowing)].join(', ')}`,
  })

const time = z.iso.datetime()
const deliverySchema = z.object({
  id: z.guid(),
  kind: z.enum(deliveryKinds).openapi({
    description:
      'match: a trigger fired; test: its owner asked for it; alert: about its other actions; retraction: the event of a delivery left the chain; reinstatement: it is back',
  }),
  match_id: z.int().nullable().openapi({ description: 'null if the kind is test or alert' }),
  trigger_id: z.string().nullable().openapi({ description: 'null: the trigger was deleted' }),
  action_id: z.int().nullable().openapi({ description: 'null: the action was deleted' }),
  occurrence: z.string(),
  event_id: z.string(),
  block_time: time,
  action_type: z.enum(['telegram', 'rest', 'mcp']),
  destination: z.string().nullable().openapi({
    description: "Host, and port unless it is the default, of the action's URL; null: the action was deleted",
  }),
  priority: z.int(),
  state: z.enum(deliveryStates),
  attempts: z.int().openapi({ description: 'How many have begun' }),
  due_at: time.nullable().openapi({ description: 'null: it waits for a block' }),
  waits_on: z.enum(['head', 'finalized']).nullable().openapi({
    description: 'Whether it waits for block `waits_for` of its chain to be there, or to be final',
  }),
  waits_for: z.int().nullable(),
  original_id: z.guid().nullable().openapi({
    description: 'Of a retraction or a reinstatement: the delivery that it is about',
  }),
  enqueued_at: time.nullable(),
  started_at: time.nullable(),
  finished_at: time.nullable(),
  error_message: z.string().nullable(),
  created_at: time,
  updated_at: time,
})

export function addDeliveries(app: ApiApp): void {
  app.openAPIRegistry.register('Delivery', deliverySchema)
  app.openAPIRegistry.register('DeadLetterFilter', bulkSchema)
  app.openAPIRegistry.register('Retried', z.object({ retried: z.int() }))
  app.openAPIRegistry.register(
    'DeliveryWithResults',
    deliverySchema.extend({
      results: z.array(resultSchema).openapi({ description: 'Every attempt at it, the oldest first' }),
    }),
  )

  app.openapi(
    createRoute({
      tags: ['deliveries'],
      security: needs('deliveries:read'),
      method: 'get',
      path: '/v1/deliveries',
      summary: 'List deliveries, the newest first',
      request: { query },
      responses: { 200: pageResponse('Delivery', 'A page of deliveries'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      const user_id = c.get('caller').userId
      return sendPage(c, await listDeliveries(c.get('db'), { ...narrow, user_id }, { after: cursor, limit }))
    },
  )

  app.openapi(
    createRoute({
      tags: ['deliveries'],
      security: needs('deliveries:read'),
      method: 'get',
      path: '/v1/deliveries/{id}',
      summary: 'Read a delivery with every attempt at it',
      request: { params: z.object({ id: z.string() }) },
      responses: { 200: resourceResponse('DeliveryWithResults', 'The delivery'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const delivery = z.guid().safeParse(id).success
        ? await readDelivery(c.get('db'), id, c.get('caller').userId)
        : undefined
      if (delivery === undefined) throw notFound('delivery', id)
      return c.json(delivery, 200)
    },
  )

  app.openapi(
    createRoute({
      tags: ['deliveries'],
      security: needs('deliveries:write'),
      ...withIdempotencyKey,
      method: 'post',
      path: '/v1/deliveries/retry',
      summary: 'Retry all failed and unknown deliveries that fit at least one filter',
      request: {
        body: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/DeadLetterFilter' } } },
        },
      },
      responses: {
        200: resourceResponse('Retried', 'How many wait for their turn now'),
        ...problemResponses,
      },
    }),
    async (c) => {
      const parsed = bulkSchema.safeParse(await readJsonBody(c))
      if (!parsed.success) throw invalid('body', toProblems(parsed.error))
      const user_id = c.get('caller').userId
      return c.json({ retried: await retryDeliveries(c.get('db'), { ...parsed.data, user_id }) }, 200)
    },
  )

  const changes = [
    ['retry', retryDelivery, 'Retry a failed, unknown or cancelled delivery, with a whole new schedule'],
    ['cancel', cancelDelivery, 'Cancel a delivery that is pending or enqueued'],
  ] as const
  for (const [verb, change, summary] of changes) {
    app.openapi(
      createRoute({
        tags: ['deliveries'],
        security: needs('deliveries:write'),
        ...(verb === 'retry' ? withIdempotencyKey : {}),
        method: 'post',
        path: `/v1/deliveries/{id}/${verb}`,
        summary,
        request: { params: z.object({ id: z.string() }) },
        responses: {
          200: resourceResponse('Delivery', 'The delivery as it is now'),
          ...problems(409),
          ...problemResponses,
        },
      }),
      async (c) => {
        const { id } = c.req.valid('param')
        const result = z.guid().safeParse(id).success
          ? await change(c.get('db'), id, c.get('caller').userId)
          : undefined
        return c.json(changedOf(result, id), 200)
      },
    )
  }
}

function changedOf(result: Change | undefined, id: string): DeliveryRow {
  if (result === undefined) throw notFound('delivery', id)
  if ('refused' in result) throw new ProblemError(409, result.refused)
  return result.changed
}
