import { createRoute, z } from '@hono/zod-openapi'
import { listResults, resultStatuses } from '../store/deliveries-read.ts'
import type { ApiApp } from './app.ts'
import { needs, pageResponse, problemResponses } from './describe.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'

const query = listQuery(
  {
    delivery_id: filter.uuid.openapi({ description: 'At this delivery' }),
    trigger_id: filter.id.openapi({ description: 'Of this trigger' }),
    status: filter.oneOf(resultStatuses).openapi({ description: 'That ended like this' }),
  },
  z.tuple([keyPart.time, keyPart.text]),
)

export const resultSchema = z.object({
  id: z.string(),
  delivery_id: z.guid(),
  job_id: z.string(),
  trigger_id: z.string().nullable(),
  event_id: z.string(),
  action_type: z.enum(['telegram', 'rest', 'mcp']),
  status: z.enum(resultStatuses).openapi({ description: 'retrying: it failed and will be tried again' }),
  executed_at: z.iso.datetime(),
  duration_ms: z.int(),
  error_message: z.string().nullable(),
  response_data: z.unknown(),
  retry_count: z.int().openapi({ description: '0 for the first attempt' }),
})

export function addResults(app: ApiApp): void {
  app.openAPIRegistry.register('Result', resultSchema)
  app.openapi(
    createRoute({
      tags: ['results'],
      security: needs('deliveries:read'),
      method: 'get',
      path: '/v1/results',
      summary: 'List attempts at deliveries, the newest first',
      request: { query },
      responses: { 200: pageResponse('Result', 'A page of attempts'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      const user_id = c.get('caller').userId
      return sendPage(c, await listResults(c.get('db'), { ...narrow, user_id }, { after: cursor, limit }))
    },
  )
}
