import { createRoute, z } from '@hono/zod-openapi'
import { strict, text } from '../document-schema.ts'
import { scopes } from '../scopes.ts'
import { deleteAccount, readAccount } from '../store/accounts.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { confirm, jsonBody, parse, sessionOf } from './auth.ts'
import { needs, problemResponses, problems, resourceResponse } from './describe.ts'
import { notFound } from './problem.ts'

const meSchema = z.object({
  id: z.string(),
  username: z.string(),
  is_admin: z.boolean(),
  has_password: z.boolean(),
  wallets: z.array(z.string()),
  created_at: z.iso.datetime(),
  last_login_at: z.iso.datetime().nullable(),
  credential: z.object({
    kind: z.enum(['operator', 'session', 'key']),
    scopes: z.array(z.enum(scopes)),
  }),
})

const deletionSchema = strict({
  password: text(1, 1024).optional().openapi({ description: 'Needed where there is one' }),
})

export function addMe(app: ApiApp, context: ApiContext): void {
  app.openAPIRegistry.register('Me', meSchema)
  app.openAPIRegistry.register('AccountDeletion', deletionSchema)

  app.openapi(
    createRoute({
      tags: ['accounts'],
      security: needs(),
      method: 'get',
      path: '/v1/me',
      operationId: 'readMe',
      summary: 'Whose this credential is, and what it may do',
      responses: { 200: resourceResponse('Me', 'You'), ...problemResponses },
    }),
    async (c) => {
      const { userId, kind, scopes: allowed } = c.get('caller')
      const account = await readAccount(context.db, userId)
      if (account === undefined) throw notFound('user', userId)
      const { password_hash, is_active: _, ...shown } = account
      const has_password = password_hash !== null
      return c.json({ ...shown, has_password, credential: { kind, scopes: allowed } }, 200)
    },
  )

  app.openapi(
    createRoute({
      tags: ['accounts'],
      security: needs('account'),
      method: 'delete',
      path: '/v1/me',
      operationId: 'deleteMe',
      summary: 'Delete your account, with triggers, deliveries, keys and everything else of yours',
      request: { body: jsonBody('AccountDeletion') },
      responses: { 204: { description: 'It is gone' }, ...problems(409), ...problemResponses },
    }),
    async (c) => {
      const { userId } = sessionOf(c.get('caller'))
      const { password } = await parse(c, deletionSchema)
      await confirm(c, context, userId, password, 'password')
      await deleteAccount(c.get('owner'), userId)
      return c.body(null, 204)
    },
  )
}
