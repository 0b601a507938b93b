import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { deliveryStates, listDeliveries, readDelivery } from '../store/deliveries-read.ts'
import type { ApiContext } from './app.ts'
import { bearer, pageResponse, problemResponses, resourceResponse } from './describe.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'
import { notFound } from './problem.ts'

const query = listQuery(
  { trigger_id: filter.id, state: filter.oneOf(deliveryStates) },
  z.tuple([keyPart.time, keyPart.uuid]),
)

const time = z.iso.datetime()
const deliverySchema = z.object({
  id: z.guid(),
  match_id: z.int(),
  trigger_id: z.string().nullable().openapi({ description: 'null: the trigger was deleted' }),
  action_id: z.int().nullable().openapi({ description: 'null: the action was deleted' }),
  occurrence: z.string(),
  event_id: z.string(),
  block_time: time,
  action_type: z.enum(['telegram', 'rest', 'mcp']),
  priority: z.int(),
  state: z.enum(deliveryStates),
  attempts: z.int().openapi({ description: 'How many have begun' }),
  due_at: time,
  enqueued_at: time.nullable(),
  started_at: time.nullable(),
  finished_at: time.nullable(),
  error_message: z.string().nullable(),
  created_at: time,
  updated_at: time,
})

export function addDeliveries(app: OpenAPIHono, { db }: ApiContext): void {
  app.openAPIRegistry.register('Delivery', deliverySchema)
  app.openAPIRegistry.registerComponent('schemas', 'DeliveryWithResults', {
    allOf: [
      { $ref: '#/components/schemas/Delivery' },
      {
        type: 'object',
        required: ['results'],
        properties: { results: { type: 'array', items: { $ref: '#/components/schemas/Result' } } },
      },
    ],
  })

  app.openapi(
    createRoute({
      tags: ['deliveries'],
      security: bearer,
      method: 'get',
      path: '/v1/deliveries',
      summary: 'List deliveries, the newest first',
      request: { query },
      responses: { 200: pageResponse('Delivery', 'A page of deliveries'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      return sendPage(c, await listDeliveries(db, narrow, { after: cursor, limit }))
    },
  )

  app.openapi(
    createRoute({
      tags: ['deliveries'],
      security: bearer,
      method: 'get',
      path: '/v1/deliveries/{id}',
      summary: 'Read a delivery with every attempt at it',
      request: { params: z.object({ id: z.string() }) },
      responses: { 200: resourceResponse('DeliveryWithResults', 'The delivery'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const delivery = z.guid().safeParse(id).success ? await readDelivery(db, id) : undefined
      if (delivery === undefined) throw notFound('delivery', id)
      return c.json(delivery, 200)
    },
  )
}
