import { createRoute, z } from '@hono/zod-openapi'
import { registries } from '../event.ts'
import {
  type Created,
  createTrigger,
  deleteTrigger,
  listTriggers,
  readTrigger,
  replaceTrigger,
  type StoredTrigger,
} from '../store/triggers.ts'
import type { ApiApp, ApiContext } from './app.ts'
import type { Caller } from './caller.ts'
import { needs, pageResponse, problemResponses, resourceResponse } from './describe.ts'
import { isKnown, notModified, tagOfTrigger, triggerGuard, withIfMatch, withIfNoneMatch } from './etag.ts'
import { withIdempotencyKey } from './idempotency.ts'
import { readJsonBody } from './json-body.ts'
import { filter, isStorable, keyPart, listQuery, sendPage } from './list.ts'
import { invalid, notFound, ProblemError } from './problem.ts'
import { addTriggerSchemas, parseTrigger } from './trigger-schemas.ts'

const query = listQuery(
  {
    chain_id: filter.chainId,
    registry: filter.oneOf(registries).openapi({ description: 'Of this registry' }),
    enabled: filter.oneOf(['true', 'false']).openapi({ description: 'Whether they are switched on' }),
  },
  z.tuple([keyPart.time, keyPart.text]),
)

const path = '/v1/triggers'
const onePath = '/v1/triggers/{id}'
const idParameter = z.object({ id: z.string() })
const common = { tags: ['triggers'] }

/** The body is read by `readJsonBody` and `parseTriggerDocument`, which say more than a schema: the description only refers to it. */
const document = {
  required: true,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/TriggerDocument' } } },
}

export function addTriggers(app: ApiApp, { secrets, chains, triggersMax }: ApiContext): void {
  addTriggerSchemas(app)

  app.openapi(
    createRoute({
      ...common,
      ...withIdempotencyKey,
      security: needs('triggers:write'),
      method: 'post',
      path,
      summary: 'Create a trigger',
      request: { body: document },
      responses: { 201: resourceResponse('Trigger', 'The trigger as it is stored'), ...problemResponses },
    }),
    async (c) => {
      const parsed = parseTrigger(await readJsonBody(c), chains, { isNew: true })
      const max = maxOf(c.get('caller'), triggersMax)
      const trigger = createdOf(
        await createTrigger(c.get('db'), secrets, c.get('caller').userId, parsed, { max }),
      )
      return c.json(trigger, 201, { location: pathOf(trigger), etag: tagOfTrigger(trigger) })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:read'),
      method: 'get',
      path,
      summary: 'List triggers, the newest first',
      request: { query },
      responses: { 200: pageResponse('Trigger', 'A page of triggers'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, enabled, ...narrow } = c.req.valid('query')
      const user_id = c.get('caller').userId
      const wanted = { ...narrow, user_id, enabled: enabled === undefined ? undefined : enabled === 'true' }
      return sendPage(c, await listTriggers(c.get('db'), wanted, { after: cursor, limit }))
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIfNoneMatch,
      security: needs('triggers:read'),
      method: 'get',
      path: onePath,
      summary: 'Read a trigger',
      request: { params: idParameter },
      responses: { 200: resourceResponse('Trigger', 'The trigger'), ...notModified, ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const trigger = isStorable(id) ? await readTrigger(c.get('db'), id, c.get('caller').userId) : undefined
      if (trigger === undefined) throw notFound('trigger', id)
      const etag = tagOfTrigger(trigger)
      return isKnown(c, etag) ? c.body(null, 304, { etag }) : c.json(trigger, 200, { etag })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIfMatch,
      security: needs('triggers:write'),
      method: 'put',
      path: onePath,
      summary: 'Replace a trigger',
      request: { params: idParameter, body: document },
      responses: { 200: resourceResponse('Trigger', 'The trigger as it is stored'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const parsed = parseTrigger(await readJsonBody(c), chains)
      const target = { id, userId: c.get('caller').userId, guard: triggerGuard(c) }
      const result = isStorable(id) ? await replaceTrigger(c.get('db'), secrets, target, parsed) : undefined
      if (result === undefined) throw notFound('trigger', id)
      if ('problems' in result) throw invalid('trigger', result.problems)
      return c.json(result.trigger, 200, { etag: tagOfTrigger(result.trigger) })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIfMatch,
      security: needs('triggers:write'),
      method: 'delete',
      path: onePath,
      summary: 'Delete a trigger; what it did stays readable',
      request: { params: idParameter },
      responses: { 204: { description: 'It is deleted' }, ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const target = { id, userId: c.get('caller').userId, guard: triggerGuard(c) }
      if (!isStorable(id) || !(await deleteTrigger(c.get('db'), target))) throw notFound('trigger', id)
      return c.body(null, 204)
    },
  )
}

export function pathOf({ id }: { id: string }): string {
  return `${path}/${encodeURIComponent(id)}`
}

/** How many triggers the caller may have. Who runs the installation may have any number: 0. */
export function maxOf({ kind }: Caller, triggersMax: number): number {
  return kind === 'operator' ? 0 : triggersMax
}

/** The trigger that was made. @throws ProblemError that says why there is none. */
export function createdOf(result: Created): StoredTrigger {
  if ('problems' in result) throw invalid('trigger', result.problems)
  if ('trigger' in result) return result.trigger
  throw new ProblemError(
    409,
    `You have ${result.tooMany} triggers, as many as one may have here. Delete one first.`,
    { type: 'limit-reached' },
  )
}
