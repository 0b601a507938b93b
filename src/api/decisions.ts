import { createRoute, z } from '@hono/zod-openapi'
import { UserError } from '../errors.ts'
import { explainDecision } from '../explain-decision.ts'
import { listUndecided } from '../store/decisions.ts'
import { readTrigger } from '../store/triggers.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, type pageResponse, problemResponses, problems } from './describe.ts'
import { evidenceSchema } from './evidence-schema.ts'
import { filter, isStorable, keyPart, listQuery, sendPage } from './list.ts'
import { matchSchema } from './matches.ts'
import { notFound, ProblemError } from './problem.ts'
import { createTurns } from './turns.ts'

const totalMax = 4

const query = listQuery(
  { event: filter.id.openapi({ description: 'Explain the decision about this event, instead of listing' }) },
  z.tuple([keyPart.number]),
)

const anything = z.record(z.string(), z.unknown())

const decisionSchema = z.object({
  trigger: z.object({
    id: z.string(),
    name: z.string(),
    version: z.int(),
    generation: z.int(),
    enabled: z.boolean(),
  }),
  event: z.object({
    id: z.string(),
    block_number: z.int(),
    log_index: z.int(),
    block_time: z.iso.datetime(),
    event_type: z.string(),
    agent_id: z.string().nullable(),
  }),
  outcome: z.enum([
    'fired',
    'not fired',
    'only remembered',
    'held back',
    'undecided',
    'waiting',
    'not looked at',
  ]),
  reason: z.string(),
  held_back_by: z.enum(['cooldown', 'max_fires']).nullable(),
  evidence: z.array(
    evidenceSchema.extend({
      holds: z.boolean().nullable().openapi({ description: 'null: it was not asked' }),
    }),
  ),
  limits: z.array(
    z.object({
      kind: z.enum(['cooldown', 'max_fires']),
      scope: z.string(),
      state_before: anything.nullable(),
      state: anything.nullable(),
    }),
  ),
  matches: z.array(matchSchema.extend({ generation: z.int() })).openapi({
    description: 'Matches that are stored about the event, as they were decided, with their history',
  }),
  replayed_events: z.int(),
  unknown_files: z.int(),
})

const undecidedSchema = z.object({
  id: z.int(),
  trigger_id: z.string(),
  trigger_version: z.int(),
  chain_id: z.int(),
  event_id: z.string(),
  block_number: z.int(),
  block_time: z.iso.datetime(),
  reason: z.string(),
  created_at: z.iso.datetime(),
})

const answer: ReturnType<typeof pageResponse> = {
  description: 'With event, the decision; without, a page of events that could not be decided',
  content: {
    'application/json': {
      schema: {
        oneOf: [
          { $ref: '#/components/schemas/Decision' },
          {
            type: 'object' as const,
            required: ['data', 'next_cursor'],
            properties: {
              data: {
                type: 'array' as const,
                items: { $ref: '#/components/schemas/UndecidedEvent' },
              },
              next_cursor: { type: ['string', 'null'] as ('string' | 'null')[] },
            },
          },
        ],
      },
    },
  },
}

export function addDecisions(app: ApiApp, { db }: ApiContext): void {
  const turns = createTurns('an explanation', { total: totalMax })
  app.openAPIRegistry.register('Decision', decisionSchema)
  app.openAPIRegistry.register('UndecidedEvent', undecidedSchema)
  app.openapi(
    createRoute({
      tags: ['triggers'],
      security: needs('triggers:read', 'deliveries:read'),
      method: 'get',
      path: '/v1/triggers/{id}/decisions',
      summary:
        'What a trigger decides about an event; or the events about which it could not, the newest first',
      request: { params: z.object({ id: z.string() }), query },
      responses: {
        200: answer,
        ...problems(422),
        ...problemResponses,
      },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const { event: eventId, cursor, limit } = c.req.valid('query')
      const { userId } = c.get('caller')
      if (!isStorable(id)) throw notFound('trigger', id)
      if (eventId === undefined) {
        if ((await readTrigger(c.get('db'), id, userId)) === undefined) throw notFound('trigger', id)
        return sendPage(c, await listUndecided(c.get('db'), id, { after: cursor, limit }))
      }
      const release = turns.take(userId)
      try {
        const explained = await explainDecision(
          { db, own: c.get('db') },
          { triggerId: id, eventId, userId },
          c.req.raw.signal,
        )
        if (!('missing' in explained)) return c.json(explained, 200)
        throw explained.missing === 'trigger' ? notFound('trigger', id) : notFound('event', eventId)
      } catch (error) {
        throw error instanceof UserError ? new ProblemError(422, error.message) : error
      } finally {
        release()
      }
    },
  )
}
