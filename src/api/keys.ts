import { createRoute, z } from '@hono/zod-openapi'
import { strict, text } from '../document-schema.ts'
import { parsePauseMs } from '../parse-pause.ts'
import { keyScopes, type Scope } from '../scopes.ts'
import { createKey, listKeys, readKey, revokeKey, rotateKey } from '../store/api-keys.ts'
import type { ApiApp } from './app.ts'
import { jsonBody, parse } from './auth.ts'
import { needs, pageResponse, problemResponses, problems, resourceResponse } from './describe.ts'
import { withIdempotencyKey } from './idempotency.ts'
import { keyPart, listQuery, sendPage } from './list.ts'
import { invalid, notFound, ProblemError } from './problem.ts'

const path = '/v1/keys'
const onePath = '/v1/keys/{id}'
const common = { tags: ['keys'], security: needs('account') }
const params = z.object({ id: z.string() })
const query = listQuery({}, z.tuple([keyPart.time, keyPart.uuid]))

const time = z.iso.datetime()
const expiryExpected = 'expected a time to come such as 2027-01-01T00:00:00Z, or null for a key without end'
const newKeySchema = strict({
  name: text(1, 100),
  scopes: z
    .array(z.enum(keyScopes, { error: `expected one of ${keyScopes.join(', ')}` }), {
      error: 'expected a list of scopes',
    })
    .min(1, { error: 'expected at least one scope' })
    .max(keyScopes.length, { error: 'expected each scope once' }),
  expires_at: z.iso
    .datetime({ offset: true, error: expiryExpected })
    .refine((value) => Date.parse(value) > Date.now(), { error: expiryExpected })
    .nullable()
    .default(null),
})

const overlapExpected = 'expected a pause from 1s to 24h, such as "30m", or "0" to end the old key at once'
const rotationSchema = strict({
  overlap: z
    .string({ error: overlapExpected })
    .refine((value) => value === '0' || parsePauseMs(value) !== undefined, { error: overlapExpected })
    .default('1h')
    .openapi({ description: 'For how long the old key works beside the new one' }),
})

const keySchema = z.object({
  id: z.guid(),
  name: z.string(),
  prefix: z.string().openapi({ description: 'How it begins' }),
  scopes: z.array(z.string()),
  expires_at: time.nullable().openapi({ description: 'null: never' }),
  revoked_at: time.nullable(),
  last_used_at: time.nullable().openapi({ description: 'To the minute' }),
  created_at: time,
})
const newSchema = keySchema.extend({
  key: z.string().openapi({ description: 'The key. It cannot be read again' }),
})

/** API keys, for programs. They are managed by who signed in, not by keys. */
export function addKeys(app: ApiApp): void {
  app.openAPIRegistry.register('Key', keySchema)
  app.openAPIRegistry.register('CreatedKey', newSchema)
  app.openAPIRegistry.register('NewKey', newKeySchema)
  app.openAPIRegistry.register('KeyRotation', rotationSchema)
  app.openAPIRegistry.register(
    'RotatedKey',
    newSchema.extend({
      previous_expires_at: time.openapi({ description: 'When the old key ends' }),
    }),
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIdempotencyKey,
      method: 'post',
      path,
      summary: 'Make an API key. It is shown this once',
      request: { body: jsonBody('NewKey') },
      responses: { 201: resourceResponse('CreatedKey', 'The key'), ...problems(409), ...problemResponses },
    }),
    async (c) => {
      const { name, scopes, expires_at } = await parse(c, newKeySchema)
      const { userId, scopes: own } = c.get('caller')
      const tooMuch = scopes.findIndex((scope: Scope) => !own.includes(scope))
      if (tooMuch >= 0) {
        throw invalid('body', [{ path: ['scopes', tooMuch], message: 'you do not have this scope yourself' }])
      }
      const expiresAt = expires_at === null ? null : new Date(expires_at)
      const key = await createKey(c.get('db'), userId, { name, scopes: [...new Set(scopes)], expiresAt })
      if (key === undefined) {
        throw new ProblemError(409, 'There are too many keys: revoke one first.', { type: 'limit-reached' })
      }
      const headers = { 'cache-control': 'no-store', location: `${path}/${key.id}` }
      return c.json(key, 201, headers)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      method: 'get',
      path,
      summary: 'List your API keys, the newest first',
      request: { query },
      responses: { 200: pageResponse('Key', 'A page of keys'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit } = c.req.valid('query')
      return sendPage(c, await listKeys(c.get('db'), c.get('caller').userId, { after: cursor, limit }))
    },
  )

  app.openapi(
    createRoute({
      ...common,
      method: 'get',
      path: onePath,
      summary: 'Read what is known of a key',
      request: { params },
      responses: { 200: resourceResponse('Key', 'Without the key'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const key = isId(id) ? await readKey(c.get('db'), c.get('caller').userId, id) : undefined
      if (key === undefined) throw notFound('key', id)
      return c.json(key, 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      method: 'delete',
      path: onePath,
      summary: 'Revoke a key, at once',
      request: { params },
      responses: { 204: { description: 'It is revoked' }, ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      if (!isId(id) || !(await revokeKey(c.get('db'), c.get('caller').userId, id))) throw notFound('key', id)
      return c.body(null, 204)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIdempotencyKey,
      method: 'post',
      path: `${onePath}/rotate`,
      summary: 'Make a key in the place of another, which goes on working for a while',
      request: { params, body: jsonBody('KeyRotation') },
      responses: { 201: resourceResponse('RotatedKey', 'The new key'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const { overlap } = await parse(c, rotationSchema)
      const overlapMs = parsePauseMs(overlap) ?? 0
      const rotated = isId(id)
        ? await rotateKey(c.get('db'), c.get('caller').userId, id, overlapMs)
        : undefined
      if (rotated === undefined) throw notFound('key', id)
      const answer = { ...rotated.key, previous_expires_at: rotated.previousExpiresAt }
      return c.json(answer, 201, { 'cache-control': 'no-store' })
    },
  )
}

function isId(id: string): boolean {
  return z.guid().safeParse(id).success
}
