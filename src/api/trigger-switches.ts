import { createRoute, z } from '@hono/zod-openapi'
import { duplicateTrigger, replaceTrigger, type TriggerEdit } from '../store/triggers.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, problemResponses, resourceResponse } from './describe.ts'
import { tagOfTrigger, triggerGuard, withIfMatch } from './etag.ts'
import { withIdempotencyKey } from './idempotency.ts'
import { isStorable } from './list.ts'
import { invalid, notFound } from './problem.ts'
import { documentOf, parseTrigger } from './trigger-schemas.ts'
import { createdOf, maxOf, pathOf } from './triggers.ts'

const nameMax = 200
const copied = ' (copy)'

const common = { tags: ['triggers'], security: needs('triggers:write') }
const request = { params: z.object({ id: z.string() }) }

/** Changes of a whole trigger that need no document. */
export function addTriggerSwitches(app: ApiApp, { secrets, chains, triggersMax }: ApiContext): void {
  /** What is on stays as it is: switching it on again begins nothing new. */
  const enable: TriggerEdit = (stored) =>
    stored.enabled ? undefined : parseTrigger({ ...documentOf(stored), enabled: true }, chains)
  /** Not checked again: whatever was taken once can be switched off, also where its chain is not known any more. */
  const disable: TriggerEdit = (stored) =>
    stored.enabled ? { ...documentOf(stored), enabled: false } : undefined

  const switches = [
    ['enable', enable, 'Switch a trigger on: it fires for what happens from now on'],
    ['disable', disable, 'Switch a trigger off'],
  ] as const
  for (const [verb, edit, summary] of switches) {
    app.openapi(
      createRoute({
        ...common,
        ...withIfMatch,
        method: 'post',
        path: `/v1/triggers/{id}/${verb}`,
        summary,
        request,
        responses: { 200: resourceResponse('Trigger', 'The trigger as it is now'), ...problemResponses },
      }),
      async (c) => {
        const { id } = c.req.valid('param')
        const target = { id, userId: c.get('caller').userId, guard: triggerGuard(c) }
        const result = isStorable(id) ? await replaceTrigger(c.get('db'), secrets, target, edit) : undefined
        if (result === undefined) throw notFound('trigger', id)
        if ('problems' in result) throw invalid('trigger', result.problems)
        return c.json(result.trigger, 200, { etag: tagOfTrigger(result.trigger) })
      },
    )
  }

  app.openapi(
    createRoute({
      ...common,
      ...withIdempotencyKey,
      method: 'post',
      path: '/v1/triggers/{id}/duplicate',
      summary: 'Make a copy of a trigger, switched off',
      request,
      responses: { 201: resourceResponse('Trigger', 'The copy'), ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const target = { id, userId: c.get('caller').userId }
      const options = { max: maxOf(c.get('caller'), triggersMax) }
      const result = isStorable(id)
        ? await duplicateTrigger(
            c.get('db'),
            secrets,
            target,
            (stored) =>
              parseTrigger({ ...documentOf(stored), name: nameOfCopy(stored.name), enabled: false }, chains),
            options,
          )
        : undefined
      if (result === undefined) throw notFound('trigger', id)
      const trigger = createdOf(result)
      return c.json(trigger, 201, { location: pathOf(trigger), etag: tagOfTrigger(trigger) })
    },
  )
}

/** As much of the name as leaves room, without half a character at its end. */
function nameOfCopy(name: string): string {
  return name.slice(0, nameMax - copied.length).replace(/[\ud800-\udbff]$/, '') + copied
}
