import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { listMatches } from '../store/deliveries-read.ts'
import type { ApiContext } from './app.ts'
import { bearer, pageResponse, problemResponses } from './describe.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'

const query = listQuery({ trigger_id: filter.id }, z.tuple([keyPart.number]))

const matchSchema = z.object({
  id: z.int(),
  trigger_id: z.string().nullable().openapi({ description: 'null: the trigger was deleted' }),
  trigger_version: z.int(),
  chain_id: z.int(),
  occurrence: z.string(),
  event_id: z.string(),
  block_number: z.int(),
  block_time: z.iso.datetime(),
  evidence: z.array(
    z.object({
      position: z.int(),
      condition_type: z.string(),
      field: z.string(),
      operator: z.string(),
      value: z.union([z.string(), z.boolean(), z.array(z.string())]),
      seen: z.union([z.string(), z.number(), z.null()]),
      holds: z.boolean(),
    }),
  ),
  created_at: z.iso.datetime(),
})

export function addMatches(app: OpenAPIHono, { db }: ApiContext): void {
  app.openAPIRegistry.register('Match', matchSchema)
  app.openapi(
    createRoute({
      tags: ['matches'],
      security: bearer,
      method: 'get',
      path: '/v1/matches',
      summary: 'List matches with their evidence, the newest first',
      request: { query },
      responses: { 200: pageResponse('Match', 'A page of matches'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      return sendPage(c, await listMatches(db, narrow, { after: cursor, limit }))
    },
  )
}
