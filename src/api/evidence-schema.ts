import { z } from '@hono/zod-openapi'
import { conditionTypeNames } from '../conditions/condition-types.ts'

const state = z.record(z.string(), z.unknown())

/** Why a condition held, or did not, as it is stored and shown. */
export const evidenceSchema = z.object({
  position: z.int().openapi({ description: "The condition's; below 0 the trigger's own limits" }),
  condition_type: z.enum([...conditionTypeNames, 'cooldown', 'max_fires']),
  field: z.string().nullable(),
  operator: z.string().nullable(),
  value: z.union([z.string(), z.boolean(), z.array(z.string()), z.null()]),
  config: z.record(z.string(), z.unknown()),
  seen: z
    .union([z.string(), z.number(), z.boolean(), z.null()])
    .openapi({ description: 'What was compared with the value; null: the event has none' }),
  holds: z.boolean(),
  scope: z.string().optional().openapi({ description: 'Of a stateful condition: whose state it is' }),
  state_before: state.optional(),
  state: state.optional(),
  held_back: z
    .object({
      count: z.int(),
      first_at: z.string(),
      last_at: z.string(),
      events: z.array(z.string()),
    })
    .optional()
    .openapi({ description: 'Of a digest' }),
})
