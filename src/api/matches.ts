import { createRoute, z } from '@hono/zod-openapi'
import { listMatches } from '../store/deliveries-read.ts'
import type { ApiApp } from './app.ts'
import { needs, pageResponse, problemResponses } from './describe.ts'
import { evidenceSchema } from './evidence-schema.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'

const query = listQuery(
  { trigger_id: filter.id.openapi({ description: 'Of this trigger' }) },
  z.tuple([keyPart.number]),
)

export const matchSchema = z.object({
  id: z.int(),
  trigger_id: z.string().nullable().openapi({ description: 'null: the trigger was deleted' }),
  trigger_version: z.int(),
  chain_id: z.int(),
  occurrence: z.string(),
  event_id: z.string(),
  block_number: z.int(),
  block_time: z.iso.datetime(),
  evidence: z.array(evidenceSchema),
  kind: z.enum(['event', 'absence', 'digest']),
  status: z.enum(['standing', 'retracted']).openapi({
    description:
      'retracted: its event left the canonical chain, or what came before it changed so that it does not fire',
  }),
  retractions: z.int(),
  history: z
    .array(z.object({ event_id: z.string(), evidence: z.array(evidenceSchema), at: z.string() }))
    .openapi({ description: 'What it was decided by before a fork changed that, the oldest first' }),
  created_at: z.iso.datetime(),
})

export function addMatches(app: ApiApp): void {
  app.openAPIRegistry.register('Match', matchSchema)
  app.openapi(
    createRoute({
      tags: ['matches'],
      security: needs('deliveries:read'),
      method: 'get',
      path: '/v1/matches',
      summary: 'List matches with their evidence, the newest first',
      request: { query },
      responses: { 200: pageResponse('Match', 'A page of matches'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      const user_id = c.get('caller').userId
      return sendPage(c, await listMatches(c.get('db'), { ...narrow, user_id }, { after: cursor, limit }))
    },
  )
}
