import { createRoute, z } from '@hono/zod-openapi'
import { flag, strict } from '../document-schema.ts'
import { changeUser, listUsers, readUser, type UserWithCounts } from '../store/users.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { jsonBody, parse } from './auth.ts'
import { needs, pageResponse, problemResponses, problems, resourceResponse } from './describe.ts'
import { filter, isStorable, keyPart, listQuery, sendPage } from './list.ts'
import { notFound, ProblemError } from './problem.ts'

const path = '/v1/admin/users'
const onePath = `${path}/{id}` as const
const common = { tags: ['admin'], security: needs('admin') }
const params = z.object({ id: z.string() })

const query = listQuery(
  { username: filter.id.openapi({ description: 'Whose name contains this' }) },
  z.tuple([keyPart.time, keyPart.text]),
)

const time = z.iso.datetime()
const userSchema = z.object({
  id: z.string(),
  username: z.string(),
  is_admin: z.boolean(),
  is_active: z.boolean().openapi({ description: 'false: their credentials are refused' }),
  created_at: time,
  last_login_at: time.nullable(),
})

const changeSchema = strict({
  is_admin: flag().optional(),
  is_active: flag().optional().openapi({
    description: 'false: refuse their credentials, end their sessions and pause their triggers',
  }),
}).refine((given) => Object.values(given).some((value) => value !== undefined), {
  error: 'expected is_admin or is_active',
})

/**
 * The users of the installation, for administrators. This reads and writes as the owner of the tables, since the role of the API sees no
 * users at all: the scope `admin`, which each of these routes needs, is what keeps others out. It shows how much users have, not what.
 */
export function addAdmin(app: ApiApp, { db, userId: operatorId }: ApiContext): void {
  app.openAPIRegistry.register('User', userSchema)
  app.openAPIRegistry.register('UserChange', changeSchema)
  app.openAPIRegistry.register(
    'UserWithCounts',
    userSchema.extend({
      has_password: z.boolean(),
      wallets: z.int(),
      triggers: z.int(),
      triggers_enabled: z.int(),
      keys: z.int().openapi({ description: 'Those that stand' }),
      key_last_used_at: time.nullable(),
    }),
  )

  app.openapi(
    createRoute({
      ...common,
      method: 'get',
      path,
      summary: 'List users, the newest first',
      request: { query },
      responses: { 200: pageResponse('User', 'A page of users'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, ...narrow } = c.req.valid('query')
      return sendPage(c, await listUsers(db, narrow, { after: cursor, limit }))
    },
  )

  app.openapi(
    createRoute({
      ...common,
      method: 'get',
      path: onePath,
      summary: 'Read a user, with the numbers of what they have',
      request: { params },
      responses: { 200: resourceResponse('UserWithCounts', 'The user'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      return c.json(found(isStorable(id) ? await readUser(db, id) : undefined, id), 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      method: 'patch',
      path: onePath,
      summary: 'Switch an account off or on; make somebody an administrator, or no longer',
      request: { params, body: jsonBody('UserChange') },
      responses: {
        200: resourceResponse('UserWithCounts', 'The user as they are now'),
        ...problems(409),
        ...problemResponses,
      },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const change = await parse(c, changeSchema)
      if (id === operatorId) {
        throw new ProblemError(
          409,
          'This is the installation itself: its token is its credential, and cannot be switched off here.',
        )
      }
      const result = isStorable(id) ? await changeUser(c.get('owner'), id, change) : undefined
      if (result !== undefined && 'refused' in result) throw new ProblemError(409, result.refused)
      return c.json(found(result?.user, id), 200)
    },
  )
}

function found(user: UserWithCounts | undefined, id: string): UserWithCounts {
  if (user === undefined) throw notFound('user', id)
  return user
}
