import { z } from '@hono/zod-openapi'
import type { StoredTrigger } from '../store/triggers.ts'
import { parseTriggerDocument, type TriggerDocument, triggerDocumentSchema } from '../trigger-document.ts'
import type { ApiApp } from './app.ts'
import { invalid } from './problem.ts'

/** Says in the description what triggers and their parts look like, as they are written and as they are read. */
export function addTriggerSchemas(app: ApiApp): void {
  // An API description of version 3.1 takes JSON Schema as it is.
  const { $schema: _, ...schema } = z.toJSONSchema(triggerDocumentSchema, {
    io: 'input',
    unrepresentable: 'any',
  })
  const register = (name: string, content: object) =>
    app.openAPIRegistry.registerComponent('schemas', name, content)
  const { conditions, actions } = schema.properties as Parts
  register('TriggerDocument', schema)
  register('ConditionDocument', conditions.items)
  register('ActionDocument', actions.items)

  const filled = fillIn(schema) as JsonSchema
  const shown = filled.properties as Parts
  const condition = {
    ...shown.conditions.items,
    properties: { ...shown.conditions.items.properties, value: storedValue },
    required: Object.keys(conditions.items.properties ?? {}),
  }
  const shownActions = shown.actions.items.oneOf.map(({ properties = {}, required = [], ...kind }) => ({
    ...kind,
    properties: { ...properties, ...shownOnlyOfActions },
    required: [...required, 'id', 'destination_id'],
  }))
  register('Trigger', {
    type: 'object',
    required: [...Object.keys(shownOnly), ...Object.keys(schema.properties ?? {})],
    properties: {
      ...shownOnly,
      ...filled.properties,
      conditions: { ...shown.conditions, items: condition },
      actions: { ...shown.actions, items: { ...shown.actions.items, oneOf: shownActions } },
    },
  })
  register('Condition', {
    ...condition,
    properties: { ...shownOnlyOfConditions, ...condition.properties },
    required: [...Object.keys(shownOnlyOfConditions), ...condition.required],
  })
  register('Action', { ...shown.actions.items, oneOf: shownActions })
}

/** A value of a condition as it is kept: numbers are texts, which have no rounding. */
const storedValue = {
  anyOf: [
    { type: 'string' },
    { type: 'boolean' },
    { type: 'array', items: { type: 'string' } },
    { type: 'null' },
  ],
}

/** A schema of what is written, for what is read: with every default, and the scope of a limit as the list that it stands for. */
function fillIn(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(fillIn)
  if (typeof node !== 'object' || node === null) return node
  const { default: _, ...schema } = node as JsonSchema
  const filled: JsonSchema = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, key === 'properties' ? value : fillIn(value)]),
  )
  const { properties, required = [] } = schema
  if (properties === undefined) return filled
  filled.properties = Object.fromEntries(
    Object.entries(properties).map(([name, value]) => {
      const list = name === 'scope' ? value.anyOf?.find(({ type }) => type === 'array') : undefined
      return [name, fillIn(list ?? value) as JsonSchema]
    }),
  )
  const isGiven = (name: string) =>
    properties[name]?.default !== undefined || ['headers', 'max_attempts'].includes(name)
  const given = Object.keys(properties).filter((name) => required.includes(name) || isGiven(name))
  if (given.length > 0) filled.required = given
  return filled
}

/**
 * Reads a document that came from outside.
 *
 * @param options.isNew it cannot have what only a stored trigger has; otherwise that is passed over.
 * @throws ProblemError that names every wrong value.
 */
export function parseTrigger(
  input: unknown,
  chains: readonly { id: number }[],
  { isNew = false }: { isNew?: boolean } = {},
): TriggerDocument {
  const result = parseTriggerDocument(isNew ? input : withoutShown(input), chains)
  if ('problems' in result) throw invalid('trigger', result.problems)
  return result.ok
}

/** The document of a stored trigger. It was checked when it was stored, and header values in it are hidden. */
export function documentOf(stored: StoredTrigger): TriggerDocument {
  return withoutShown(stored) as TriggerDocument
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

/** The same of conditions that are read by themselves. */
export const shownOnlyOfConditions: Record<string, object> = {
  position: {
    type: 'integer',
    description: 'Where it is among the conditions, from 0; evidence and state name it so',
  },
}

/** The same of its actions. */
export const shownOnlyOfActions: Record<string, object> = {
  destination_id: { type: ['integer', 'null'], description: 'null: it depends on the event' },
  signing_secret: {
    type: 'string',
    description:
      "What webhooks to this action's destination are signed with. Shown once: in the answer that follows the first rest action to a URL",
  },
}

function withoutShown(input: unknown): unknown {
  const trigger = without(input, shownOnly)
  if (typeof trigger !== 'object' || trigger === null || !('actions' in trigger)) return trigger
  const { actions } = trigger
  if (!Array.isArray(actions)) return trigger
  return { ...trigger, actions: actions.map((action) => without(action, shownOnlyOfActions)) }
}

export function without(input: unknown, keys: Record<string, object>): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input
  return Object.fromEntries(Object.entries(input).filter(([key]) => !Object.hasOwn(keys, key)))
}

type JsonSchema = {
  type?: unknown
  default?: unknown
  properties?: Record<string, JsonSchema>
  required?: string[]
  anyOf?: JsonSchema[]
}
type Parts = { conditions: { items: JsonSchema }; actions: { items: { oneOf: JsonSchema[] } } }
