import { createRoute, z } from '@hono/zod-openapi'
import type { Database } from '../db.ts'
import { buildDeliveryScope, type DeliveryScope } from '../delivery-scope.ts'
import { PermanentError } from '../errors.ts'
import type { RegistryEvent } from '../event.ts'
import { renderAction } from '../render-action.ts'
import { type JsonValue, renderBody, renderText, renderValue } from '../render-template.ts'
import { sampleEvent } from '../sample-events.ts'
import { readEvent } from '../store/testing.ts'
import { readTrigger, type StoredTrigger } from '../store/triggers.ts'
import { TemplateError } from '../templates/describe-template-error.ts'
import { findTestEvent } from '../test-event.ts'
import { type ActionDocument, parseTriggerDocument } from '../trigger-document.ts'
import type { ApiApp, ApiContext } from './app.ts'
import type { ApiEnv } from './caller.ts'
import { needs, problemResponses, problems, resourceResponse } from './describe.ts'
import { readJsonBody } from './json-body.ts'
import { filter } from './list.ts'
import { invalid, ProblemError, toProblems } from './problem.ts'
import { eventChoice, unfit } from './test-fire.ts'

const modes = ['body', 'value', 'text', 'html', 'markdown_v2'] as const

const bodyShape = {
  action: z.unknown().optional().openapi({ description: 'An action as in a trigger document' }),
  template: z.unknown().optional().openapi({ description: 'A template alone, instead of an action' }),
  mode: filter.oneOf(modes).openapi({
    description:
      'What the template is for: the body of a request (the default), arguments of a tool, plain text, or a message in HTML or MarkdownV2',
  }),
  trigger_id: filter.id.openapi({ description: 'The trigger that the template is for' }),
  ...eventChoice,
  chain_id: z
    .int({ error: 'expected a chain id' })
    .optional()
    .openapi({ description: 'Of the sample; the chain of the trigger, or the first one, unless given' }),
}

const bodySchema = z
  .strictObject(bodyShape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown; known are ${Object.keys(bodyShape).join(', ')}`
        : 'expected an object',
  })
  .refine(({ action, template }) => (action === undefined) !== (template === undefined), {
    error: 'expected either action or template',
  })
  .refine(({ action, mode }) => action === undefined || mode === undefined, {
    path: ['mode'],
    error: 'expected nothing: an action says itself what its templates are for',
  })
  .refine(({ event_id: id, event_type: type }) => id === undefined || type === undefined, {
    error: 'expected either event_id or event_type',
  })

type Wanted = z.output<typeof bodySchema>

const previewShape = {
  event_id: z.string(),
  action_type: z.enum(['rest', 'telegram', 'mcp']).optional(),
  request: z
    .object({
      method: z.string(),
      url: z.string(),
      headers: z.record(z.string(), z.string()),
      body: z.string().nullable(),
    })
    .optional(),
  message: z
    .object({
      text: z.string(),
      parse_mode: z.string(),
    })
    .optional(),
  call: z
    .object({ tool_name: z.string(), arguments: z.unknown() })
    .optional()
    .openapi({ description: 'Of a tool' }),
  text: z.string().optional().openapi({ description: 'Of a template alone' }),
  value: z.unknown().optional().openapi({ description: 'Of a template alone in mode value' }),
}

export function addPreview(app: ApiApp, context: ApiContext): void {
  app.openAPIRegistry.register('PreviewRequest', bodySchema)
  app.openAPIRegistry.register('Preview', z.object(previewShape))
  app.openapi(
    createRoute({
      tags: ['triggers'],
      security: needs('triggers:write'),
      method: 'post',
      path: '/v1/templates/preview',
      operationId: 'previewTemplate',
      summary: 'Show what an action or a template makes of a stored event or a sample; nothing is sent',
      request: {
        body: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/PreviewRequest' } } },
        },
      },
      responses: {
        200: resourceResponse('Preview', 'What would be sent'),
        ...problems(422),
        ...problemResponses,
      },
    }),
    async (c) => {
      const parsed = bodySchema.safeParse(await readJsonBody(c))
      if (!parsed.success) throw invalid('body', toProblems(parsed.error))
      const wanted = parsed.data
      const trigger = await findTrigger(c.var, wanted)
      const { event, evidence } = await findEvent(c.get('db'), context, wanted, trigger)
      const scope = buildDeliveryScope({
        event,
        trigger: {
          id: trigger?.id ?? 'preview',
          name: trigger?.name ?? 'Preview',
          version: trigger?.version ?? 1,
        },
        evidence,
        delivery: { id: '00000000-0000-0000-0000-000000000000', attempt: 1, kind: 'match' },
      })
      const shown =
        wanted.action === undefined
          ? previewTemplate(checkAlone(wanted.template, event, context), wanted.mode ?? 'body', scope)
          : attempt(['action', 'config'], () =>
              renderAction(parseAction(wanted.action, event, context), scope),
            )
      return c.json({ event_id: event.id, ...shown }, 200)
    },
  )
}

async function findTrigger(
  { db, caller }: ApiEnv['Variables'],
  wanted: Wanted,
): Promise<StoredTrigger | undefined> {
  if (wanted.trigger_id === undefined) return undefined
  const trigger = await readTrigger(db, wanted.trigger_id, caller.userId)
  if (trigger === undefined) throw unfit(['trigger_id'], 'there is no trigger with this id')
  return trigger
}

async function findEvent(
  db: Database,
  { chains }: ApiContext,
  { event_id: eventId, event_type: eventType, chain_id: chainId }: Wanted,
  trigger: StoredTrigger | undefined,
): Promise<{ event: RegistryEvent; evidence: unknown }> {
  if (trigger !== undefined) {
    const found = await findTestEvent(db, trigger, { eventId, eventType })
    if ('problem' in found) throw unfit([found.problem.key], found.problem.message)
    return found
  }
  if (eventId !== undefined) {
    const event = await readEvent(db, eventId)
    if (event === undefined) throw unfit(['event_id'], 'there is no event with this id')
    return { event, evidence: [] }
  }
  const known = chains.map(({ id }) => id)
  const chain = chainId ?? known[0] ?? 1
  if (!known.includes(chain)) {
    throw unfit(['chain_id'], `expected a chain with known registries: ${known.join(', ')}`)
  }
  return { event: sampleEvent(eventType ?? 'NewFeedback', { chain_id: chain }), evidence: [] }
}

/** An action alone, by the rules of the document that it will be part of. `at` is what problems are about. */
function parseAction(
  action: unknown,
  event: RegistryEvent,
  { chains }: ApiContext,
  at: { key: string; depth: number } = { key: 'action', depth: 2 },
): ActionDocument {
  const { chain_id, registry } = event
  const document = { name: 'Preview', chain_id, registry, conditions: [], actions: [action] }
  const parsed = parseTriggerDocument(document, [...chains, { id: chain_id }])
  if ('problems' in parsed) {
    const problems = parsed.problems.map(({ path, message }) => ({
      path: [at.key, ...path.slice(at.depth)],
      message,
    }))
    throw new ProblemError(422, `The ${at.key} has problems.`, { problems })
  }
  const [only] = parsed.ok.actions
  if (only === undefined) throw new Error('A document with an action was parsed to one without')
  return only
}

/** A template alone is held to the rules of the body of a request. */
function checkAlone(template: unknown, event: RegistryEvent, context: ApiContext): JsonValue {
  const config = { url: 'https://preview.example/', body_template: template }
  parseAction({ action_type: 'rest', config }, event, context, { key: 'template', depth: 4 })
  return template as JsonValue
}

function previewTemplate(template: JsonValue, mode: (typeof modes)[number], scope: DeliveryScope) {
  return attempt([], () => {
    if (mode === 'value') return { value: renderValue(template, scope, 'template') }
    if (mode === 'body') return { text: renderBody(template, scope, { path: 'template' }) }
    if (typeof template !== 'string') throw unfit(['template'], `expected a text for the mode ${mode}`)
    return {
      text: renderText(template, scope, { escape: mode === 'text' ? 'none' : mode, path: 'template' }),
    }
  })
}

/** Renders; what fails with this event is a problem of the request. */
function attempt<Result>(path: string[], render: () => Result): Result {
  try {
    return render()
  } catch (error) {
    if (!(error instanceof PermanentError)) throw error
    const [at, message] = error instanceof TemplateError ? [[error.path], error.reason] : [[], error.message]
    throw new ProblemError(422, 'The template cannot be rendered for this event.', {
      problems: [{ path: [...path, ...at], message }],
    })
  }
}
