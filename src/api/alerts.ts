import { createRoute, z } from '@hono/zod-openapi'
import { listAlerts } from '../store/destinations.ts'
import type { ApiApp } from './app.ts'
import { needs, pageResponse, problemResponses } from './describe.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'

const query = listQuery(
  {
    open: filter.oneOf(['true', 'false']).openapi({ description: 'Whether what they are about is still so' }),
  },
  z.tuple([keyPart.time, keyPart.number]),
)

const time = z.iso.datetime()
const alertSchema = z.object({
  id: z.int(),
  kind: z.string().openapi({
    description: 'breaker_open, destination_gone, trigger_paused; of a chain: chain_stuck, deep_reorg',
  }),
  chain_id: z
    .int()
    .nullable()
    .openapi({ description: 'The chain that it is about; such alerts are for everybody' }),
  destination_id: z.int().nullable(),
  message: z.string(),
  created_at: time,
  resolved_at: time.nullable().openapi({ description: 'null: it is still so' }),
})

export function addAlerts(app: ApiApp): void {
  app.openAPIRegistry.register('Alert', alertSchema)
  app.openapi(
    createRoute({
      tags: ['destinations'],
      security: needs('deliveries:read'),
      method: 'get',
      path: '/v1/alerts',
      summary: 'List what an owner has to know about destinations, triggers and chains, the newest first',
      request: { query },
      responses: { 200: pageResponse('Alert', 'A page of alerts'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, open } = c.req.valid('query')
      const wanted = { open: open === undefined ? undefined : open === 'true' }
      return sendPage(
        c,
        await listAlerts(c.get('db'), c.get('caller').userId, wanted, { after: cursor, limit }),
      )
    },
  )
}
