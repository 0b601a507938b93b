import { createRoute, z } from '@hono/zod-openapi'
import { accepts } from 'hono/accepts'
import type { Problem } from '../conditions/check-conditions.ts'
import { compareDecimals, normalizeDecimal } from '../conditions/decimal.ts'
import { type EventType, eventFields, eventTypes, registries } from '../event.ts'
import { type EventFilter, listEvents, sharedType } from '../store/events.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, pageResponse, problemResponses } from './describe.ts'
import { exportEvents } from './export-events.ts'
import { filter, isStorable, keyPart, listQuery, sendPage } from './list.ts'
import { invalid } from './problem.ts'
import { logOf } from './watch-requests.ts'

const types: readonly (EventType | typeof sharedType)[] = [
  ...registries.flatMap((registry) => eventTypes[registry]),
  sharedType,
]
const formats = ['json', 'csv', 'ndjson'] as const
const mediaTypes = { json: 'application/json', csv: 'text/csv', ndjson: 'application/x-ndjson' } as const

const address = text(/^0x[\da-fA-F]{40}$/, 'expected an address: 0x and 40 hex digits')
  .transform((value) => value.toLowerCase())
  .optional()
const tag = z
  .string({ error: 'expected a tag, once' })
  .max(10_000, { error: 'expected a tag of at most 10000 characters' })
  .refine(isStorable, { error: 'expected a tag without NUL characters' })
  .optional()
const decimal = text(/^-?\d{1,60}(\.\d{1,60})?$/, 'expected a number, such as 70 or -0.5').optional()
const block = text(/^\d{1,15}$/, 'expected the number of a block')
  .transform(Number)
  .optional()

/** What narrows events by what they say, here and in the stream. */
export const eventFilter = {
  chain_id: filter.chainId,
  registry: filter.oneOf(registries).openapi({ description: 'Of this registry' }),
  event_type: filter.oneOf(types).openapi({ description: 'Of this type' }),
  agent_id: text(/^\d{1,78}$/, 'expected a whole number from 0')
    .optional()
    .openapi({ description: 'Of this agent', example: '42' }),
  client_address: address.openapi({ description: 'Of this client' }),
  validator_address: address.openapi({ description: 'Of this validator' }),
  tag: tag.openapi({ description: 'The first tag of a feedback, or the tag of a validation response' }),
  tag2: tag.openapi({ description: 'The second tag of a feedback' }),
  score_min: decimal.openapi({ description: 'Feedback with this score or a higher one' }),
  score_max: decimal.openapi({ description: 'Feedback with this score or a lower one' }),
}

const query = listQuery(
  {
    ...eventFilter,
    since: filter.time.openapi({ description: 'In a block of that time or a later one' }),
    until: filter.time.openapi({ description: 'In a block before that time' }),
    from_block: block.openapi({ type: 'integer', description: 'In this block or a later one of chain_id' }),
    to_block: block.openapi({ type: 'integer', description: 'In this block or an earlier one of chain_id' }),
    status: filter.oneOf(['canonical', 'all']).openapi({
      description: 'canonical (the default): without events whose block left the chain; all: with them',
    }),
    format: filter.oneOf(formats).openapi({
      description: 'csv and ndjson hold all events, not a page. Without it, the Accept header decides',
    }),
  },
  z.tuple([keyPart.time, keyPart.number, keyPart.number, keyPart.number, keyPart.number]),
)

const eventSchema = z.object({
  id: z.string(),
  seq: z.int().openapi({ description: 'Order of arrival' }),
  chain_id: z.int(),
  block_number: z.int(),
  block_hash: z.string(),
  block_time: z.iso.datetime(),
  transaction_hash: z.string(),
  transaction_index: z.int(),
  log_index: z.int(),
  contract_address: z.string(),
  registry: z.enum(registries),
  event_type: z.string(),
  occurrence: z.string().openapi({ description: 'Stays the same when the transaction is mined again' }),
  ...Object.fromEntries(
    Object.entries(eventFields).map(([name, { of }]) => {
      const type = name === 'response' || name === 'value_decimals' ? z.int() : z.string()
      return [name, type.nullable().openapi({ description: `Of ${of.join(', ')}; otherwise null` })]
    }),
  ),
  args: z.record(z.string(), z.unknown()),
  retracted: z.boolean().openapi({ description: 'Its block left the chain and has not come back' }),
})

/** The columns of a CSV export. */
const columns = Object.keys(eventSchema.shape)

export function addEvents(app: ApiApp, { db, log }: ApiContext): void {
  app.openAPIRegistry.register('Event', eventSchema)
  const page = pageResponse('Event', 'A page of events; in an export, all of them')
  const answer: typeof page = {
    ...page,
    content: {
      ...('content' in page ? page.content : {}),
      'text/csv': { schema: { type: 'string' } },
      'application/x-ndjson': { schema: { type: 'string' } },
    },
  }
  app.openapi(
    createRoute({
      tags: ['events'],
      security: needs('events:read'),
      method: 'get',
      path: '/v1/events',
      summary: 'List events, those of the newest blocks first, or export them',
      request: { query },
      responses: { 200: answer, ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, format, ...narrow } = c.req.valid('query')
      const asked =
        format ??
        formatOf(
          accepts(c, { header: 'Accept', supports: Object.values(mediaTypes), default: mediaTypes.json }),
        )
      const problems = check(narrow)
      if (asked !== 'json' && c.req.query('limit') !== undefined) {
        problems.push({ path: ['limit'], message: `is for pages: ${asked} holds all events, from cursor on` })
      }
      if (problems.length > 0) throw invalid('query', problems)

      c.header('vary', 'accept')
      if (asked === 'json') return sendPage(c, await listEvents(db, narrow, { after: cursor, limit }))
      c.header('content-type', `${mediaTypes[asked]}; charset=utf-8`)
      c.header('content-disposition', `attachment; filename="events.${asked}"`)
      return c.body(
        await exportEvents(db, narrow, { after: cursor, format: asked, columns, log: logOf(c, log) }),
      )
    },
  )
}

/** What is wrong with values that are right each by itself. */
function check({
  chain_id,
  score_min,
  score_max,
  since,
  until,
  from_block,
  to_block,
}: EventFilter): Problem[] {
  const problems: Problem[] = []
  const add = (name: string, message: string) => problems.push({ path: [name], message })
  const range = 'the range is empty: expected no more than'
  if (chain_id === undefined) {
    if (from_block !== undefined) add('from_block', 'blocks are of one chain: expected a chain_id too')
    if (to_block !== undefined) add('to_block', 'blocks are of one chain: expected a chain_id too')
  }
  if (from_block !== undefined && to_block !== undefined && from_block > to_block)
    add('from_block', `${range} to_block`)
  if (since !== undefined && until !== undefined && since > until) add('since', `${range} until`)
  if (score_min !== undefined && score_max !== undefined && isGreater(score_min, score_max)) {
    add('score_min', `${range} score_max`)
  }
  return problems
}

function isGreater(a: string, b: string): boolean {
  return compareDecimals(normalizeDecimal(a) ?? a, normalizeDecimal(b) ?? b) > 0
}

function formatOf(mediaType: string): (typeof formats)[number] {
  return formats.find((format) => mediaTypes[format] === mediaType) ?? 'json'
}

function text(pattern: RegExp, error: string) {
  return z.string({ error: `${error}, once` }).regex(pattern, { error })
}
