import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Problem } from '../conditions/check-conditions.ts'
import { readTrigger, replaceTrigger, type StoredTrigger } from '../store/triggers.ts'
import { parseTriggerDocument } from '../trigger-document.ts'
import type { ApiApp, ApiContext } from './app.ts'
import type { ApiEnv } from './caller.ts'
import { needs, pageResponse, problemResponses, problems, resourceResponse } from './describe.ts'
import { isKnown, notModified, tagOfTrigger, triggerGuard, withIfMatch, withIfNoneMatch } from './etag.ts'
import { withIdempotencyKey } from './idempotency.ts'
import { readJsonBody } from './json-body.ts'
import { isStorable } from './list.ts'
import { invalid, notFound, ProblemError } from './problem.ts'
import { documentOf, shownOnlyOfActions, shownOnlyOfConditions, without } from './trigger-schemas.ts'
import { pathOf } from './triggers.ts'

/** One of the two lists in a trigger whose members can be changed by themselves. */
type Part = {
  kind: 'condition' | 'action'
  list: 'conditions' | 'actions'
  schema: 'Condition' | 'Action'
  parameter: string
  /** The members as they are read. */
  rowsOf(trigger: StoredTrigger): object[]
  /** By what a member is called in the address. */
  nameOf(trigger: StoredTrigger, index: number): number
  /** A member in the place of the one of this name, made of what came from outside. */
  inputOf(given: unknown, name: number | undefined): unknown
}

/** Conditions are called by their positions, as in evidence and state: a replacement of the trigger writes their rows anew. */
const conditions: Part = {
  kind: 'condition',
  list: 'conditions',
  schema: 'Condition',
  parameter: 'position',
  rowsOf: (trigger) => trigger.conditions.map((condition, position) => ({ position, ...condition })),
  nameOf: (_, index) => index,
  inputOf: (given) => without(given, shownOnlyOfConditions),
}

/** Actions are called by their ids, which they keep. */
const actions: Part = {
  kind: 'action',
  list: 'actions',
  schema: 'Action',
  parameter: 'action',
  rowsOf: (trigger) => trigger.actions,
  nameOf: (trigger, index) => trigger.actions[index]?.id ?? 0,
  inputOf: (given, id) => {
    const input = without(given, shownOnlyOfActions)
    // Somebody else's id in it is refused, as in a whole document.
    return id === undefined || typeof input !== 'object' || input === null ? input : { id, ...input }
  },
}

/**
 * The conditions and actions of a trigger, one by one. Each change is one of the whole document: it is checked, counted and limited
 * like a replacement.
 */
export function addTriggerParts(app: ApiApp, context: ApiContext): void {
  for (const part of [conditions, actions]) addPart(app, context, part)
}

function addPart(app: ApiApp, { secrets, chains }: ApiContext, part: Part): void {
  const { kind, list, schema, parameter } = part
  const path = `/v1/triggers/{id}/${list}`
  const onePath = `${path}/{${parameter}}`
  const params = z.object({ id: z.string() })
  const oneParams = z.object({
    id: z.string(),
    [parameter]: z.string().openapi({
      description: part === conditions ? 'Where it is among the conditions, from 0' : 'The id of the action',
    }),
  })
  const common = { tags: ['triggers'] }
  const body = {
    required: true,
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}Document` } } },
  }
  const one = (description: string) => resourceResponse(schema, description)

  const read = async (c: Context<ApiEnv>, id: string): Promise<StoredTrigger> => {
    const trigger = isStorable(id) ? await readTrigger(c.get('db'), id, c.get('caller').userId) : undefined
    if (trigger === undefined) throw notFound('trigger', id)
    return trigger
  }
  const find = (trigger: StoredTrigger, name: string): number => {
    const index = trigger[list].findIndex((_, at) => String(part.nameOf(trigger, at)) === name)
    if (index < 0) throw notFound(kind, name)
    return index
  }
  /** Changes the list by itself; `edit` says which member the document is wrong in, if it is. */
  const change = async (
    c: Context<ApiEnv>,
    id: string,
    edit: (rows: unknown[], stored: StoredTrigger) => number | undefined,
  ): Promise<StoredTrigger> => {
    let changed: number | undefined
    const target = { id, userId: c.get('caller').userId, guard: triggerGuard(c) }
    const result = isStorable(id)
      ? await replaceTrigger(c.get('db'), secrets, target, (stored) => {
          const document = documentOf(stored)
          const rows: unknown[] = [...document[list]]
          changed = edit(rows, stored)
          const parsed = parseTriggerDocument({ ...document, [list]: rows }, chains)
          if ('problems' in parsed) throw refusal(part, changed, parsed.problems)
          return parsed.ok
        })
      : undefined
    if (result === undefined) throw notFound('trigger', id)
    if ('problems' in result) throw refusal(part, changed, result.problems)
    return result.trigger
  }

  app.openapi(
    createRoute({
      ...common,
      ...withIfNoneMatch,
      security: needs('triggers:read'),
      method: 'get',
      path,
      summary: `List the ${list} of a trigger, in their order: all of them`,
      request: { params },
      responses: { 200: pageResponse(schema, `All ${list}`), ...notModified, ...problemResponses },
    }),
    async (c) => {
      const trigger = await read(c, c.req.valid('param').id)
      const etag = tagOfTrigger(trigger)
      if (isKnown(c, etag)) return c.body(null, 304, { etag })
      return c.json({ data: part.rowsOf(trigger), next_cursor: null }, 200, { etag })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withBoth,
      security: needs('triggers:write'),
      method: 'post',
      path,
      summary: `Add ${article(kind)} to a trigger, behind the others`,
      request: { params, body },
      responses: { 201: one(`The ${kind}`), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const given = await readJsonBody(c)
      const trigger = await change(c, id, (rows) => rows.push(part.inputOf(given, undefined)) - 1)
      const index = trigger[list].length - 1
      const location = `${pathOf({ id })}/${list}/${part.nameOf(trigger, index)}`
      return c.json(part.rowsOf(trigger)[index], 201, { location, etag: tagOfTrigger(trigger) })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIfNoneMatch,
      security: needs('triggers:read'),
      method: 'get',
      path: onePath,
      summary: `Read ${article(kind)} of a trigger`,
      request: { params: oneParams },
      responses: { 200: one(`The ${kind}`), ...notModified, ...problemResponses },
    }),
    async (c) => {
      const { id = '', [parameter]: name = '' } = c.req.valid('param')
      const trigger = await read(c, id)
      const row = part.rowsOf(trigger)[find(trigger, name)]
      const etag = tagOfTrigger(trigger)
      return isKnown(c, etag) ? c.body(null, 304, { etag }) : c.json(row, 200, { etag })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIfMatch,
      security: needs('triggers:write'),
      method: 'put',
      path: onePath,
      summary: `Replace ${article(kind)} of a trigger`,
      request: { params: oneParams, body },
      responses: { 200: one(`The ${kind} as it is stored`), ...problems(422), ...problemResponses },
    }),
    async (c) => {
      const { id = '', [parameter]: name = '' } = c.req.valid('param')
      const given = await readJsonBody(c)
      let index = 0
      const trigger = await change(c, id, (rows, stored) => {
        index = find(stored, name)
        rows[index] = part.inputOf(given, part.nameOf(stored, index))
        return index
      })
      return c.json(part.rowsOf(trigger)[index], 200, { etag: tagOfTrigger(trigger) })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIfMatch,
      security: needs('triggers:write'),
      method: 'delete',
      path: onePath,
      summary: `Take ${article(kind)} away from a trigger`,
      request: { params: oneParams },
      responses: { 204: { description: 'It is deleted' }, ...problems(422), ...problemResponses },
    }),
    async (c) => {
      const { id = '', [parameter]: name = '' } = c.req.valid('param')
      const trigger = await change(c, id, (rows, stored) => {
        rows.splice(find(stored, name), 1)
        return undefined
      })
      return c.body(null, 204, { etag: tagOfTrigger(trigger) })
    },
  )
}

const withBoth = { parameters: [...withIdempotencyKey.parameters, ...withIfMatch.parameters] }

/** What is wrong with the member itself is shown by its own paths; what would be wrong with the trigger then, by the trigger's. */
function refusal({ kind, list }: Part, index: number | undefined, problems: readonly Problem[]) {
  const own = problems.filter(({ path }) => index !== undefined && path[0] === list && path[1] === index)
  if (own.length > 0) {
    return invalid(
      kind,
      own.map(({ path, message }) => ({ path: path.slice(2), message })),
    )
  }
  return new ProblemError(422, 'The trigger would not be right any more.', { problems })
}

function article(kind: Part['kind']): string {
  return kind === 'action' ? 'an action' : 'a condition'
}
