import { createRoute, z } from '@hono/zod-openapi'
import { accepts } from 'hono/accepts'
import { type BacktestProgress, type BacktestResult, type BacktestTrigger, backtest } from '../backtest.ts'
import type { Database } from '../db.ts'
import { expectedTime, parseTime } from '../delivery-filter.ts'
import { describeError, UserError } from '../errors.ts'
import type { Log } from '../log.ts'
import { readTrigger } from '../store/triggers.ts'
import { parseTriggerDocument } from '../trigger-document.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, problemResponses, problems, resourceResponse } from './describe.ts'
import { evidenceSchema } from './evidence-schema.ts'
import { readJsonBody } from './json-body.ts'
import { filter, isStorable } from './list.ts'
import { invalid, ProblemError, toProblems } from './problem.ts'
import { unfit } from './test-fire.ts'
import { createTurns } from './turns.ts'
import { logOf } from './watch-requests.ts'

/** At a time, of all users: each takes half a core, and holds what its trigger remembers. */
const totalMax = 4
const matchesMax = 1000

const lines = 'application/x-ndjson'

const block = z
  .int({ error: 'expected the number of a block' })
  .min(0, { error: 'expected no negative number' })
const time = z.string({ error: expectedTime }).transform((text, context) => {
  const value = parseTime(text)
  if (value !== undefined) return value
  context.addIssue(expectedTime)
  return z.NEVER
})

const bodyShape = {
  trigger: z
    .unknown()
    .optional()
    .openapi({ description: 'A trigger document, which nobody has to have stored' }),
  trigger_id: filter.id.openapi({ description: 'A stored trigger, instead of a document' }),
  from_block: block.optional().openapi({ description: 'The first block' }),
  to_block: block
    .optional()
    .openapi({ description: 'The last block; the last one that is known unless given' }),
  from: time.optional().openapi({
    type: 'string',
    format: 'date-time',
    description: 'Blocks of this time or later; the last 30 days unless there is from or from_block',
  }),
  to: time
    .optional()
    .openapi({ type: 'string', format: 'date-time', description: 'Blocks from before this time' }),
  limit: z
    .int({ error: `expected a whole number from 0 to ${matchesMax}` })
    .min(0)
    .max(matchesMax)
    .default(100)
    .openapi({ description: 'How many matches come back with their evidence. All are counted' }),
  render: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .openapi({ description: 'Whether to show what each action would send for these' }),
}

const bodySchema = z
  .strictObject(bodyShape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown; known are ${Object.keys(bodyShape).join(', ')}`
        : 'expected an object',
  })
  .refine(({ trigger, trigger_id: id }) => (trigger === undefined) !== (id === undefined), {
    error: 'expected either trigger or trigger_id',
  })
  .refine((given) => given.from_block === undefined || given.from === undefined, {
    path: ['from'],
    error: 'expected either from or from_block',
  })
  .refine((given) => given.to_block === undefined || given.to === undefined, {
    path: ['to'],
    error: 'expected either to or to_block',
  })
  .refine(({ from_block: from = 0, to_block: to }) => to === undefined || from <= to, {
    path: ['to_block'],
    error: 'the range is empty: expected no less than from_block',
  })
  .refine(({ from, to }) => from === undefined || to === undefined || from < to, {
    path: ['to'],
    error: 'the range is empty: expected a time after from',
  })

const count = z.int()

const resultSchema = z.object({
  trigger: z.object({ id: z.string().nullable(), name: z.string(), version: count.nullable() }),
  range: z.object({
    from_block: count.nullable(),
    to_block: count,
    from: z.iso.datetime().nullable(),
    to: z.iso.datetime().nullable(),
  }),
  events: count.openapi({ description: 'Events of the trigger’s types and agents that were read' }),
  candidates: count.openapi({ description: 'Those of them for which the stateless conditions hold' }),
  duration_ms: count,
  matches: z.object({ total: count, event: count, absence: count, digest: count }),
  held_back: z.object({ cooldown: count, max_fires: count }),
  undecided: z.object({
    total: count,
    first: z.array(z.object({ event_id: z.string(), reason: z.string() })),
  }),
  unknown_files: count.openapi({
    description: 'Events that were passed over, because nobody has fetched the file that they name',
  }),
  histogram: z.object({
    unit: z.enum(['hour', 'day']),
    buckets: z.array(z.object({ at: z.iso.datetime(), matches: count })),
  }),
  top_agents: z.array(z.object({ agent_id: z.string(), matches: count })),
  top_scopes: z.array(
    z.object({ position: count, condition_type: z.string(), scope: z.string(), matches: count }),
  ),
  first: z.array(
    z.object({
      kind: z.enum(['event', 'absence', 'digest']),
      occurrence: z.string(),
      event_id: z.string(),
      block_number: count,
      block_time: z.iso.datetime(),
      evidence: z.array(evidenceSchema),
      actions: z
        .array(z.record(z.string(), z.unknown()))
        .nullable()
        .optional()
        .openapi({ description: 'What each action would send; null: there was no room or time left' }),
    }),
  ),
})

export function addBacktest(app: ApiApp, { db, log, chains }: ApiContext): void {
  const turns = createTurns('a backtest', { total: totalMax })
  app.openAPIRegistry.register('BacktestRequest', bodySchema)
  app.openAPIRegistry.register('Backtest', resultSchema)
  const answer = resourceResponse('Backtest', 'How often it would have fired, when, and why')
  app.openapi(
    createRoute({
      tags: ['triggers'],
      security: needs('triggers:read', 'events:read'),
      method: 'post',
      path: '/v1/triggers/backtest',
      operationId: 'backtest',
      summary: 'Run a trigger over history, and send nothing',
      description: `With Accept: ${lines} the answer is lines: {"progress": …} while it runs, and {"result": …} or {"error": "…"} at the end.`,
      request: {
        body: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/BacktestRequest' } } },
        },
      },
      responses: {
        200: {
          ...answer,
          content: {
            ...('content' in answer ? answer.content : {}),
            [lines]: { schema: { type: 'string' } },
          },
        },
        ...problems(422),
        ...problemResponses,
      },
    }),
    async (c) => {
      const parsed = bodySchema.safeParse(await readJsonBody(c))
      if (!parsed.success) throw invalid('body', toProblems(parsed.error))
      const { from_block: fromBlock, to_block: toBlock, from, to, limit, render } = parsed.data
      const trigger = await findTrigger(c.get('db'), c.get('caller').userId, chains, parsed.data)
      const release = turns.take(c.get('caller').userId)
      const gone = new AbortController()
      c.req.raw.signal.addEventListener('abort', () => gone.abort(), { once: true })
      // Whoever went before this was listened for.
      if (c.req.raw.signal.aborted) gone.abort()
      const run = (onProgress?: (progress: BacktestProgress) => void) =>
        backtest(db, trigger, {
          range: { fromBlock, toBlock, from, to },
          limit,
          render,
          signal: gone.signal,
          onProgress,
        }).finally(release)

      c.header('vary', 'accept')
      const asked = accepts(c, {
        header: 'Accept',
        supports: ['application/json', lines],
        default: 'application/json',
      })
      if (asked !== lines) return c.json(await run().catch(toProblem), 200)
      c.header('content-type', `${lines}; charset=utf-8`)
      return c.body(streamLines(run, gone, logOf(c, log)))
    },
  )
}

async function findTrigger(
  db: Database,
  userId: string,
  chains: ApiContext['chains'],
  { trigger: document, trigger_id: id }: z.output<typeof bodySchema>,
): Promise<BacktestTrigger> {
  if (id === undefined) {
    const parsed = parseTriggerDocument(document, chains)
    if ('ok' in parsed) return parsed.ok
    const problems = parsed.problems.map(({ path, message }) => ({ path: ['trigger', ...path], message }))
    throw invalid('trigger', problems)
  }
  const trigger = isStorable(id) ? await readTrigger(db, id, userId) : undefined
  if (trigger === undefined) throw unfit(['trigger_id'], 'there is no trigger with this id')
  return trigger
}

/** The range has nothing to offer, or the trigger asks for too much: nothing is wrong on our side. */
function toProblem(error: unknown): never {
  throw error instanceof UserError ? new ProblemError(422, error.message) : error
}

/** One line for each progress, and the result as the last. A client that goes away ends the work. */
function streamLines(
  run: (onProgress: (progress: BacktestProgress) => void) => Promise<BacktestResult>,
  gone: AbortController,
  log: Log,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    start: (controller) => {
      const write = (line: object) => {
        if (!gone.signal.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`))
      }
      // At once, so that the client knows that it runs.
      write({ progress: { events: 0, matches: 0, block_number: null, share: 0 } })
      void run((progress) => write({ progress }))
        .then((result) => write({ result }))
        .catch((error: unknown) => {
          if (gone.signal.aborted) return
          if (!(error instanceof UserError)) log.error({ error: describeError(error) }, 'a backtest failed')
          write({
            error:
              error instanceof UserError
                ? error.message
                : 'Something went wrong on our side. The log has the details.',
          })
        })
        .finally(() => {
          if (!gone.signal.aborted) controller.close()
        })
    },
    cancel: () => gone.abort(),
  })
}
