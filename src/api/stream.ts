import { setMaxListeners } from 'node:events'
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { normalizeDecimal } from '../conditions/decimal.ts'
import { expectedTime, parseTime } from '../delivery-filter.ts'
import type { Scope } from '../scopes.ts'
import { readHorizon } from '../store/stream.ts'
import { type StreamKind, streamKinds } from '../stream/change.ts'
import { formatMessage } from '../stream/format-message.ts'
import { narrows, type StreamFilter } from '../stream/passes-filter.ts'
import { comparePositions, decodePosition, type Position } from '../stream/position.ts'
import type { ApiApp, ApiContext } from './app.ts'
import type { Authenticate } from './authorize.ts'
import type { ApiEnv } from './caller.ts'
import { needs, problems } from './describe.ts'
import { eventFilter } from './events.ts'
import { filter } from './list.ts'
import { invalid, ProblemError } from './problem.ts'
import { type ConnectionLimits, openConnection } from './stream-connection.ts'
import { createStreamHub } from './stream-hub.ts'
import { logOf } from './watch-requests.ts'

export type StreamLimits = ConnectionLimits & {
  /** Streams of one user, and of all together, in this process. */
  perUser: number
  inTotal: number
}

export const streamDefaults: StreamLimits = {
  perUser: 10,
  inTotal: 1000,
  // Some thousand events: a second or two of the fastest backfill.
  bytesMax: 4 * 1024 * 1024,
  messagesMax: 10_000,
  // Proxies give up on what is silent for a minute.
  heartbeatMs: 15_000,
  farewellMs: 10_000,
}

const scopeOf: Record<StreamKind, Scope> = {
  event: 'events:read',
  match: 'deliveries:read',
  delivery: 'deliveries:read',
}

/** How soon a client should come back, when the connection breaks. */
const retryMs = 2000

const kinds = z
  .string({ error: 'expected kinds separated by commas, once' })
  .transform((text, context) => {
    const names = text.split(',').map((name) => name.trim())
    if (names.every((name) => (streamKinds as readonly string[]).includes(name))) return names as StreamKind[]
    context.addIssue(`expected some of ${streamKinds.join(', ')}, separated by commas`)
    return z.NEVER
  })
  .optional()
  .openapi({
    type: 'string',
    description: 'Of these kinds: event, match, delivery, separated by commas',
    example: 'event,match',
  })

const from = z
  .string({ error: 'expected start or a time, once' })
  .transform((text, context) => {
    const time = text === 'start' ? 'start' : parseTime(text)
    if (time !== undefined) return time
    context.addIssue(`${expectedTime}, or start`)
    return z.NEVER
  })
  .optional()
  .openapi({
    type: 'string',
    description:
      'start: with the oldest change that is kept; a time: with what has happened since. Last-Event-ID goes before it',
  })

const filters = {
  ...eventFilter,
  trigger_id: filter.id.openapi({ description: 'Matches and deliveries of this trigger' }),
}
const own = {
  kinds,
  from,
  follow: filter.oneOf(['true', 'false']).openapi({
    description: 'false: ends when everything up to now has been told',
  }),
}
const query = z.strictObject(
  { ...filters, ...own },
  { error: `unknown; known are ${[...Object.keys(filters), ...Object.keys(own)].join(', ')}` },
)

const headers = z.object({
  'last-event-id': z
    .string()
    .optional()
    .openapi({ description: 'The id of the last event that was received: the next one follows' }),
})

/** The `data` of what is told, by the name of its event. */
const dataSchemas = {
  StreamedEvent: dataSchema(['arrived', 'retracted', 'reinstated'], 'event', 'Event'),
  StreamedMatch: dataSchema(['created', 'retracted', 'reinstated'], 'match', 'Match'),
  StreamedDelivery: dataSchema(
    ['created', 'succeeded', 'failed', 'unknown', 'cancelled', 'reopened'],
    'delivery',
    'Delivery',
  ),
}

function dataSchema(changes: string[], subject: string, schema: string) {
  return {
    type: 'object' as const,
    description: `The data of a server-sent event \`${subject}\``,
    required: ['change', 'at', subject],
    properties: {
      change: { type: 'string' as const, enum: changes },
      at: {
        type: 'string' as const,
        format: 'date-time',
        description: 'When the transaction that did it began',
      },
      ...(subject === 'event'
        ? {
            reason: {
              type: ['string', 'null'] as ('string' | 'null')[],
              description: 'Of a retraction or reinstatement',
            },
          }
        : {}),
      [subject]: { $ref: `#/components/schemas/${schema}` },
    },
  }
}

/** What is new, as it happens: server-sent events. docs/stream.md says what is promised. */
export function addStream(app: ApiApp, context: ApiContext, authenticate: Authenticate): void {
  const { db, log } = context
  const limits = { ...streamDefaults, ...context.stream }
  const signal = context.signal ?? new AbortController().signal
  // One listener each stream; Node would take more than ten for a leak.
  setMaxListeners(limits.inTotal + 10, signal)
  const hub = createStreamHub({ db, log })
  const open = new Map<string, number>()
  let inTotal = 0

  for (const [name, schema] of Object.entries(dataSchemas)) {
    app.openAPIRegistry.registerComponent('schemas', name, schema)
  }
  app.openapi(
    createRoute({
      tags: ['stream'],
      // Any credential; which kinds it may hear of, is for its scopes.
      security: needs(),
      method: 'get',
      path: '/v1/stream',
      operationId: 'stream',
      summary: 'Events, matches and deliveries as they happen',
      description:
        'Server-sent events named `event` (scope `events:read`), `match` and `delivery` (scope `deliveries:read`), besides `ready`, `gap`, `dropped` and `ended` about the stream itself. Without `kinds`, all that the credential may read.',
      request: { query, headers },
      responses: {
        200: {
          description: 'The stream. It ends when the client, or the server with a reason, ends it',
          content: { 'text/event-stream': { schema: { type: 'string' } } },
        },
        // Also where the credential may hear of something, but not of each kind that it asks for.
        ...problems(403, 503),
      },
    }),
    async (c) => {
      const { kinds: asked, from: start, follow, ...given } = c.req.valid('query')
      const caller = c.get('caller')
      const allowed = streamKinds.filter((kind) => caller.scopes.includes(scopeOf[kind]))
      const kinds = asked ?? allowed
      checkScopes(kinds, caller.scopes)
      const narrow = checkFilter(given, kinds)

      const resumed = resumedFrom(c)
      const begin = await findBegin(resumed, start)
      const { userId } = caller
      const ofUser = open.get(userId) ?? 0
      const busy = { headers: { 'retry-after': '10' } }
      if (ofUser >= limits.perUser) {
        throw new ProblemError(
          429,
          `A user can have ${limits.perUser} streams at once. End one of them first.`,
          busy,
        )
      }
      if (inTotal >= limits.inTotal)
        throw new ProblemError(503, 'There are too many streams. Try again soon.', busy)
      open.set(userId, ofUser + 1)
      inTotal += 1

      const [, credential = ''] = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? []
      const body = openConnection({
        hub,
        db,
        log: logOf(c, log),
        userId,
        kinds,
        filter: narrow,
        follow: follow !== 'false',
        after: follow === 'false' ? (begin.after ?? (await readHorizon(db)).now) : begin.after,
        since: begin.since,
        greeting: (position) =>
          `retry: ${retryMs}\n${formatMessage('ready', position, { kinds, filter: narrow })}${
            begin.gap === undefined ? '' : formatMessage('gap', position, begin.gap)
          }`,
        refused: async () => {
          const now = await authenticate(credential)
          if (now === undefined) return 'The credential does not hold any more.'
          return kinds.every((kind) => now.scopes.includes(scopeOf[kind]))
            ? undefined
            : 'The credential may not read this any more.'
        },
        limits,
        signal,
        destroy: () => (c.env as { outgoing?: { destroy(): void } } | undefined)?.outgoing?.destroy(),
        onEnd: () => {
          inTotal -= 1
          const left = (open.get(userId) ?? 1) - 1
          if (left === 0) open.delete(userId)
          else open.set(userId, left)
        },
      })
      return c.body(body, 200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store, no-transform',
        // nginx would collect it.
        'x-accel-buffering': 'no',
      })
    },
  )

  /** Where the stream begins, and what is lost before it. */
  async function findBegin(
    resumed: Position | undefined,
    start: 'start' | Date | undefined,
  ): Promise<{ after?: Position; since?: Date; gap?: object }> {
    if (resumed === undefined && start === undefined) return {}
    const since = resumed === undefined && start instanceof Date ? start : undefined
    const { now, oldest, oldestAt, mark } = await readHorizon(db, since)
    const gap = (reason: string) => ({ reason, kept_since: oldestAt })
    if (resumed !== undefined) {
      if (comparePositions(resumed, now) > 0 && resumed[0] > now[0]) {
        return {
          after: oldest,
          gap: gap('The id is not of this database. What is kept is told from its beginning.'),
        }
      }
      if (resumed[0] < oldest[0]) {
        return { after: oldest, gap: gap('Changes right after this id are not kept any more.') }
      }
      return { after: resumed }
    }
    if (start === 'start' || since === undefined) return { after: oldest }
    if (mark === undefined)
      return { after: oldest, since, gap: gap('Changes of that time are not kept any more.') }
    return { after: mark, since }
  }
}

function resumedFrom(c: Context<ApiEnv>): Position | undefined {
  const text = c.req.header('last-event-id')
  if (text === undefined || text === '') return undefined
  const position = decodePosition(text)
  if (position !== undefined) return position
  throw invalid('request', [
    { path: ['Last-Event-ID'], message: 'expected the id of an event of this stream' },
  ])
}

function checkScopes(kinds: readonly StreamKind[], scopes: readonly Scope[]): void {
  const wanted = kinds.length === 0 ? ['events:read'] : kinds.map((kind) => scopeOf[kind])
  const lacking = [...new Set(wanted.filter((scope) => !(scopes as readonly string[]).includes(scope)))]
  if (lacking.length === 0) return
  throw new ProblemError(403, `This needs a credential with the scope ${lacking.join(', ')}.`, {
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${lacking.join(' ')}"` },
  })
}

/** A filter that narrows nothing of what was asked for is a mistake. */
function checkFilter(given: StreamFilter, kinds: readonly StreamKind[]): StreamFilter {
  const idle = (Object.keys(given) as (keyof StreamFilter)[])
    .filter((name) => given[name] !== undefined && !narrows[name].some((kind) => kinds.includes(kind)))
    .map((name) => ({
      path: [name],
      message: `narrows ${narrows[name].join(' and ')}, which is not in kinds`,
    }))
  if (idle.length > 0) throw invalid('query', idle)
  const plain = (number: string | undefined) =>
    number === undefined ? undefined : (normalizeDecimal(number) ?? number)
  return {
    ...given,
    agent_id: plain(given.agent_id),
    score_min: plain(given.score_min),
    score_max: plain(given.score_max),
  }
}
