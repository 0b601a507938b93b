import { createRoute, z } from '@hono/zod-openapi'
import { ownPositions } from '../engine/memory.ts'
import { countHeldBack, listTriggerState } from '../store/trigger-state.ts'
import { readTrigger, type StoredTrigger } from '../store/triggers.ts'
import type { ApiApp } from './app.ts'
import { needs, type pageResponse, problemResponses } from './describe.ts'
import { isStorable, keyPart, listQuery, sendPage } from './list.ts'
import { notFound } from './problem.ts'

const query = listQuery(
  {
    scope: z
      .string({ error: 'expected a scope, once' })
      .max(200, { error: 'expected a scope of at most 200 characters' })
      .refine(isStorable, { error: 'expected a scope without NUL characters' })
      .optional()
      .openapi({ description: 'As the rows show it: an agent, a client …; empty for the whole trigger' }),
  },
  z.tuple([z.string().regex(/^-?\d{1,9}$/), keyPart.text]),
)

const stateSchema = z.object({
  position: z.int().openapi({ description: "The condition's; below 0 the trigger's own limits" }),
  condition_type: z.string().openapi({ description: 'Or cooldown, max_fires' }),
  scope: z.string(),
  state: z.record(z.string(), z.unknown()),
  wake_at: z.iso
    .datetime()
    .nullable()
    .openapi({ description: "When the chain's clock has passed this, the condition is asked again" }),
  updated_at: z.iso.datetime(),
})

const heldBackSchema = z.object({
  limit: z.string(),
  held_back: z.int().openapi({ description: 'Since the generation began' }),
  untold: z.int().openapi({ description: 'What no digest has told yet' }),
  scopes: z.int(),
})

const answer: ReturnType<typeof pageResponse> = {
  description: 'A page of states by position and scope, and what was held back in all',
  content: {
    'application/json': {
      schema: {
        type: 'object' as const,
        required: ['data', 'next_cursor', 'generation', 'held_back'],
        properties: {
          data: { type: 'array' as const, items: { $ref: '#/components/schemas/TriggerState' } },
          next_cursor: { type: ['string', 'null'] as ('string' | 'null')[] },
          generation: { type: 'integer' as const },
          held_back: { type: 'array' as const, items: { $ref: '#/components/schemas/HeldBack' } },
        },
      },
    },
  },
}

export function addTriggerState(app: ApiApp): void {
  app.openAPIRegistry.register('TriggerState', stateSchema)
  app.openAPIRegistry.register('HeldBack', heldBackSchema)
  app.openapi(
    createRoute({
      tags: ['triggers'],
      security: needs('triggers:read'),
      method: 'get',
      path: '/v1/triggers/{id}/state',
      summary: 'What a trigger remembers, and how much its limits have held back',
      request: { params: z.object({ id: z.string() }), query },
      responses: {
        200: answer,
        ...problemResponses,
      },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const { scope, cursor, limit } = c.req.valid('query')
      const trigger = isStorable(id) ? await readTrigger(c.get('db'), id, c.get('caller').userId) : undefined
      if (trigger === undefined) throw notFound('trigger', id)
      const { generation } = trigger
      const held = await countHeldBack(c.get('db'), { id, generation })
      const page = await listTriggerState(c.get('db'), { id, generation, scope }, { after: cursor, limit })
      const rows = page.rows.map(({ position, ...row }) => ({
        position,
        condition_type: nameOf(trigger, position),
        ...row,
      }))
      return sendPage(
        c,
        { rows, next: page.next },
        {
          generation,
          held_back: held.map(({ position, ...sums }) => ({ limit: nameOf(trigger, position), ...sums })),
        },
      )
    },
  )
}

function nameOf({ conditions }: StoredTrigger, position: number): string {
  const own = Object.entries(ownPositions).find(([, place]) => place === position)
  return own?.[0] ?? conditions[position]?.condition_type ?? 'unknown'
}
