import { createRoute, z } from '@hono/zod-openapi'
import { listAudit } from '../store/audit.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, pageResponse, problemResponses } from './describe.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'

const query = listQuery(
  {
    actor: filter.id.openapi({ description: 'Changed by the user with this id' }),
    action: filter.id.openapi({ description: 'What was done', example: 'trigger.update' }),
    target_kind: filter.id.openapi({ description: 'Of what', example: 'trigger' }),
    target_id: filter.id.openapi({ description: 'What is about the thing with this id' }),
    from: filter.time.openapi({ type: 'string', format: 'date-time', description: 'Since this time' }),
    to: filter.time.openapi({ type: 'string', format: 'date-time', description: 'Before this time' }),
  },
  z.tuple([keyPart.number]),
)

const anything = z.record(z.string(), z.unknown()).nullable()
const auditSchema = z.object({
  id: z.int(),
  at: z.iso.datetime(),
  user_id: z.string().nullable().openapi({ description: 'Whose thing it is' }),
  actor_kind: z
    .enum(['operator', 'session', 'key', 'anonymous', 'process'])
    .openapi({ description: 'anonymous: who signed in, or could not. process: a part of Tocsin itself' }),
  actor_user_id: z.string().nullable(),
  actor_key_id: z.guid().nullable(),
  actor_name: z.string().nullable().openapi({ description: 'Of a process' }),
  action: z.string(),
  target_kind: z.string(),
  target_id: z.string().nullable(),
  before: anything.openapi({
    description: 'How it was, without secrets; null: it was not, or cannot be told',
  }),
  after: anything.openapi({ description: 'How it is since, without secrets' }),
  address: z.string().nullable().openapi({ description: 'Where the request came from' }),
  request_id: z.string().nullable(),
  reason: z.string().nullable().openapi({ description: 'What X-Audit-Reason of the request said' }),
})

/** What was changed, when, and by whom. The log of all is read as the owner of the tables: the scope `admin` keeps others out. */
export function addAudit(app: ApiApp, { db }: ApiContext): void {
  app.openAPIRegistry.register('AuditRow', auditSchema)

  app.openapi(
    createRoute({
      tags: ['accounts'],
      security: needs('account'),
      method: 'get',
      path: '/v1/audit',
      summary: 'List what was changed of yours, the newest first',
      request: { query },
      responses: { 200: pageResponse('AuditRow', 'A page of changes'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      const { userId } = c.get('caller')
      const of = { userId, reader: userId }
      return sendPage(c, await listAudit(c.get('db'), of, narrow, { after: cursor, limit }))
    },
  )

  app.openapi(
    createRoute({
      tags: ['admin'],
      security: needs('admin'),
      method: 'get',
      path: '/v1/admin/audit',
      summary: 'List what anybody changed, the newest first; of things of others without what they are',
      request: { query },
      responses: { 200: pageResponse('AuditRow', 'A page of changes'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      const of = { reader: c.get('caller').userId }
      return sendPage(c, await listAudit(db, of, narrow, { after: cursor, limit }))
    },
  )
}
