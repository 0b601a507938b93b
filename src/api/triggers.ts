import { createRoute, z } from '@hono/zod-openapi'
import { registries } from '../event.ts'
import { createTrigger, deleteTrigger, listTriggers, readTrigger, replaceTrigger } from '../store/triggers.ts'
import { parseTriggerDocument, type TriggerDocument, triggerDocumentSchema } from '../trigger-document.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, pageResponse, problemResponses, resourceResponse } from './describe.ts'
import { readJsonBody } from './json-body.ts'
import { filter, isStorable, keyPart, listQuery, sendPage } from './list.ts'
import { invalid, notFound } from './problem.ts'

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

/** What a stored trigger has besides its document. Nobody can set these; who sends back what was read may leave them in. */
const shownOnly: Record<string, object> = {
  id: { type: 'string' },
  version: { type: 'integer', description: 'Counts the changes of the document' },
  generation: {
    type: 'integer',
    description: 'Counts the changes of what the trigger looks at, and its switchings on',
  },
  is_stateful: { type: 'boolean', description: 'Whether it remembers something' },
  paused_at: {
    type: ['string', 'null'],
    format: 'date-time',
    description: 'When it was switched off because it could not be evaluated again and again',
  },
  paused_reason: { type: ['string', 'null'] },
  active_since: {
    type: 'string',
    format: 'date-time',
    description: 'Events of blocks before this time fire nothing',
  },
  created_at: { type: 'string', format: 'date-time' },
  updated_at: { type: 'string', format: 'date-time' },
}

/** The same of its actions. */
const shownOnlyOfActions: Record<string, object> = {
  destination_id: { type: ['integer', 'null'], description: 'null: it depends on the event' },
  signing_secret: {
    type: 'string',
    description:
      "What webhooks to this action's destination are signed with. Shown once: in the answer that follows the first rest action to a URL",
  },
}

export function addTriggers(app: ApiApp, { secrets, chains }: ApiContext): void {
  // An API description of version 3.1 takes JSON Schema as it is.
  const { $schema: _, ...schema } = z.toJSONSchema(triggerDocumentSchema, {
    io: 'input',
    unrepresentable: 'any',
  })
  app.openAPIRegistry.registerComponent('schemas', 'TriggerDocument', schema as object)
  app.openAPIRegistry.registerComponent('schemas', 'Trigger', {
    type: 'object',
    required: [...(schema.required ?? []), ...Object.keys(shownOnly)],
    properties: { ...shownOnly, ...(schema.properties as object), actions: shownActions(schema) },
  })

  const parse = (input: unknown): TriggerDocument => {
    const result = parseTriggerDocument(input, chains)
    if ('problems' in result) throw invalid('trigger', result.problems)
    return result.ok
  }

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:write'),
      method: 'post',
      path,
      summary: 'Create a trigger',
      request: { body: document },
      responses: { 201: resourceResponse('Trigger', 'The trigger as it is stored'), ...problemResponses },
    }),
    async (c) => {
      const result = await createTrigger(c.var.db, secrets, c.var.caller.userId, parse(await readJsonBody(c)))
      if ('problems' in result) throw invalid('trigger', result.problems)
      return c.json(result.trigger, 201, { location: `${path}/${encodeURIComponent(result.trigger.id)}` })
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
      const user_id = c.var.caller.userId
      const wanted = { ...narrow, user_id, enabled: enabled === undefined ? undefined : enabled === 'true' }
      return sendPage(c, await listTriggers(c.var.db, wanted, { after: cursor, limit }))
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:read'),
      method: 'get',
      path: onePath,
      summary: 'Read a trigger',
      request: { params: idParameter },
      responses: { 200: resourceResponse('Trigger', 'The trigger'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const trigger = isStorable(id) ? await readTrigger(c.var.db, id, c.var.caller.userId) : undefined
      if (trigger === undefined) throw notFound('trigger', id)
      return c.json(trigger, 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:write'),
      method: 'put',
      path: onePath,
      summary: 'Replace a trigger',
      request: { params: idParameter, body: document },
      responses: { 200: resourceResponse('Trigger', 'The trigger as it is stored'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const parsed = parse(withoutShown(await readJsonBody(c)))
      const result = isStorable(id)
        ? await replaceTrigger(c.var.db, secrets, id, parsed, c.var.caller.userId)
        : undefined
      if (result === undefined) throw notFound('trigger', id)
      if ('problems' in result) throw invalid('trigger', result.problems)
      return c.json(result.trigger, 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('triggers:write'),
      method: 'delete',
      path: onePath,
      summary: 'Delete a trigger; what it did stays readable',
      request: { params: idParameter },
      responses: { 204: { description: 'It is deleted' }, ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      if (!isStorable(id) || !(await deleteTrigger(c.var.db, id, c.var.caller.userId)))
        throw notFound('trigger', id)
      return c.body(null, 204)
    },
  )
}

function withoutShown(input: unknown): unknown {
  const trigger = without(input, shownOnly)
  if (typeof trigger !== 'object' || trigger === null || !('actions' in trigger)) return trigger
  const { actions } = trigger
  if (!Array.isArray(actions)) return trigger
  return { ...trigger, actions: actions.map((action) => without(action, shownOnlyOfActions)) }
}

function without(input: unknown, keys: Record<string, object>): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input
  return Object.fromEntries(Object.entries(input).filter(([key]) => !Object.hasOwn(keys, key)))
}

type JsonSchema = { properties?: Record<string, unknown> }

/** The list of actions as it is read: each kind with what is only shown. */
function shownActions(schema: JsonSchema): object {
  const actions = schema.properties?.actions as { items: { oneOf: JsonSchema[] } }
  const oneOf = actions.items.oneOf.map((kind) => ({
    ...kind,
    properties: { ...kind.properties, ...shownOnlyOfActions },
  }))
  return { ...actions, items: { ...actions.items, oneOf } }
}
