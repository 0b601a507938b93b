import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { eventFields, eventTypes, registries } from '../event.ts'
import { listEvents } from '../store/events.ts'
import type { ApiContext } from './app.ts'
import { bearer, pageResponse, problemResponses } from './describe.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'

const query = listQuery(
  {
    chain_id: filter.chainId,
    registry: filter.oneOf(registries),
    event_type: filter.oneOf(registries.flatMap((registry) => eventTypes[registry])),
    agent_id: z
      .string({ error: 'expected a whole number, once' })
      .regex(/^\d{1,78}$/, { error: 'expected a whole number from 0' })
      .optional(),
  },
  z.tuple([keyPart.number]),
)

const eventSchema = z.object({
  id: z.string(),
  seq: z.int().openapi({ description: 'Order of arrival' }),
  chain_id: z.int(),
  block_number: z.int(),
  block_hash: z.string(),
  block_time: z.iso.datetime(),
  transaction_hash: z.string(),
  transaction_index: z.int(),
  log_index: z.int(),
  contract_address: z.string(),
  registry: z.enum(registries),
  event_type: z.string(),
  occurrence: z.string().openapi({ description: 'Stays the same when the transaction is mined again' }),
  ...Object.fromEntries(
    Object.entries(eventFields).map(([name, { of }]) => {
      const type = name === 'response' || name === 'value_decimals' ? z.int() : z.string()
      return [name, type.nullable().openapi({ description: `Of ${of.join(', ')}; otherwise null` })]
    }),
  ),
  args: z.record(z.string(), z.unknown()),
  retracted: z.boolean().openapi({ description: 'Its block left the chain and has not come back' }),
})

export function addEvents(app: OpenAPIHono, { db }: ApiContext): void {
  app.openAPIRegistry.register('Event', eventSchema)
  app.openapi(
    createRoute({
      tags: ['events'],
      security: bearer,
      method: 'get',
      path: '/v1/events',
      summary: 'List events, the last to arrive first',
      request: { query },
      responses: { 200: pageResponse('Event', 'A page of events'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      return sendPage(c, await listEvents(db, narrow, { after: cursor, limit }))
    },
  )
}
