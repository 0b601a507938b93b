import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { integer, strict } from '../document-schema.ts'
import { parsePauseMs } from '../parse-pause.ts'
import {
  actionTypes,
  breakerStates,
  changeDestination,
  type DestinationRow,
  limitDestination,
  listDestinations,
  readDestination,
  resetDestination,
} from '../store/destinations.ts'
import { rotateSigningSecret } from '../store/signing-secrets.ts'
import type { ApiApp, ApiContext } from './app.ts'
import type { ApiEnv } from './caller.ts'
import { needs, pageResponse, problemResponses, problems, resourceResponse } from './describe.ts'
import { ifMatch, isKnown, notModified, tagOfDestination, withIfMatch, withIfNoneMatch } from './etag.ts'
import { withIdempotencyKey } from './idempotency.ts'
import { readJsonBody } from './json-body.ts'
import { filter, keyPart, listQuery, sendPage } from './list.ts'
import { invalid, notFound, ProblemError, toProblems } from './problem.ts'

const path = '/v1/destinations'
const onePath = `${path}/{id}` as const
const common = { tags: ['destinations'] }
const params = z.object({ id: z.string() })

const query = listQuery(
  {
    action_type: filter.oneOf(actionTypes).openapi({ description: 'Of actions of this type' }),
    breaker: filter.oneOf(breakerStates).openapi({ description: 'Whose breaker is in this state' }),
    disabled: filter.oneOf(['true', 'false']).openapi({ description: 'Whether nothing is sent to it' }),
  },
  z.tuple([keyPart.number]),
)

const perSecondExpected = 'expected a number from 0.001 to 100000, or null for any number'
const limitsSchema = strict({
  in_flight_max: integer(1, 1000).optional(),
  per_second_max: z
    .number({ error: perSecondExpected })
    .min(0.001, { error: perSecondExpected })
    .max(100_000, { error: perSecondExpected })
    .nullable()
    .optional(),
}).refine((given) => Object.values(given).some((value) => value !== undefined), {
  error: 'expected in_flight_max or per_second_max',
})

const overlapExpected = 'expected a pause from 1s to 24h, such as "30m", or "0" to end the old secret at once'
const rotationSchema = strict({
  overlap: z
    .string({ error: overlapExpected })
    .refine((text) => text === '0' || parsePauseMs(text) !== undefined, { error: overlapExpected })
    .default('24h')
    .openapi({ description: 'For how long the old secret signs beside the new one' }),
})

const time = z.iso.datetime()
const destinationSchema = z.object({
  id: z.int(),
  action_type: z.enum(actionTypes),
  address: z.string().openapi({ description: 'A URL without its query, or a Telegram chat' }),
  host: z.string().nullable(),
  breaker: z.enum(breakerStates).openapi({
    description:
      'closed: deliveries go. open: none goes until probe_at. half_open: one went to see whether it works again',
  }),
  failures: z.int().openapi({ description: 'In a row' }),
  times_opened: z.int().openapi({ description: 'Since it last worked' }),
  opened_at: time.nullable(),
  probe_at: time.nullable(),
  last_error: z.string().nullable(),
  in_flight_max: z.int().openapi({ description: 'Deliveries that may be under way at once' }),
  per_second_max: z.number().nullable().openapi({ description: 'null: any number' }),
  disabled_at: time
    .nullable()
    .openapi({ description: 'Since when nothing is sent, because it said that it is gone' }),
  disabled_reason: z.string().nullable(),
  signing_secrets: z.array(z.object({ created_at: time, expires_at: time.nullable() })).openapi({
    description: 'When those that sign now were made and end, the newest first. They cannot be read',
  }),
  created_at: time,
  updated_at: time,
})

const rotatedSchema = z.object({
  signing_secret: z.string().openapi({ description: 'The new one. It cannot be read again' }),
  previous_expires_at: time.nullable().openapi({ description: 'null: it has ended' }),
})

export function addDestinations(app: ApiApp, { secrets }: ApiContext): void {
  app.openAPIRegistry.register('Destination', destinationSchema)
  app.openAPIRegistry.register('DestinationLimits', limitsSchema)
  app.openAPIRegistry.register('SecretRotation', rotationSchema)
  app.openAPIRegistry.register('RotatedSecret', rotatedSchema)
  const one = resourceResponse('Destination', 'The destination as it is now')

  app.openapi(
    createRoute({
      ...common,
      security: needs('deliveries:read'),
      method: 'get',
      path,
      summary: 'List where deliveries go, the newest first',
      request: { query },
      responses: { 200: pageResponse('Destination', 'A page of destinations'), ...problemResponses },
    }),
    async (c) => {
      const { cursor, limit, disabled, ...narrow } = c.req.valid('query')
      const wanted = { ...narrow, disabled: disabled === undefined ? undefined : disabled === 'true' }
      return sendPage(
        c,
        await listDestinations(c.get('db'), c.get('caller').userId, wanted, { after: cursor, limit }),
      )
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIfNoneMatch,
      security: needs('deliveries:read'),
      method: 'get',
      path: onePath,
      summary: 'Read a destination',
      request: { params },
      responses: { 200: one, ...notModified, ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const row = found(await readDestination(c.get('db'), c.get('caller').userId, numberOf(id)), id)
      const etag = tagOfDestination(row)
      return isKnown(c, etag) ? c.body(null, 304, { etag }) : c.json(row, 200, { etag })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIfMatch,
      security: needs('deliveries:write'),
      method: 'patch',
      path: onePath,
      summary: 'Change how much is sent to a destination at once, and in a second',
      request: { params, body: jsonBody('DestinationLimits', true) },
      responses: { 200: one, ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const parsed = limitsSchema.safeParse(await readJsonBody(c))
      if (!parsed.success) throw invalid('body', toProblems(parsed.error))
      const target = targetOf(c, id)
      const changed = await changeDestination(c.get('db'), target, (db) =>
        limitDestination(db, target.userId, target.id, parsed.data),
      )
      const row = found(changed, id)
      return c.json(row, 200, { etag: tagOfDestination(row) })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      ...withIfMatch,
      security: needs('deliveries:write'),
      method: 'post',
      path: `${onePath}/reset`,
      summary: 'Use a destination again: close its breaker, enable it, resolve its alerts',
      request: { params },
      responses: { 200: one, ...problemResponses },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const target = targetOf(c, id)
      const changed = await changeDestination(c.get('db'), target, (db) =>
        resetDestination(db, target.userId, target.id),
      )
      const row = found(changed, id)
      return c.json(row, 200, { etag: tagOfDestination(row) })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      parameters: [...withIfMatch.parameters, ...withIdempotencyKey.parameters],
      security: needs('deliveries:write'),
      method: 'post',
      path: `${onePath}/secret/rotate`,
      summary: 'Sign webhooks with a new secret, and for a while with the old one too',
      request: { params, body: jsonBody('SecretRotation', false) },
      responses: {
        200: resourceResponse('RotatedSecret', 'The new secret, which is shown this once'),
        ...problems(409),
        ...problemResponses,
      },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const parsed = rotationSchema.safeParse(await readOptionalBody(c))
      if (!parsed.success) throw invalid('body', toProblems(parsed.error))
      const overlapMs = parsePauseMs(parsed.data.overlap) ?? 0
      const target = targetOf(c, id)
      const rotated = found(
        await changeDestination(c.get('db'), target, (db) =>
          rotateSigningSecret(db, secrets, { id: target.id, userId: target.userId, overlapMs }),
        ),
        id,
      )
      if ('refused' in rotated) throw new ProblemError(409, rotated.refused)
      return c.json(rotated, 200, { 'cache-control': 'no-store' })
    },
  )
}

function jsonBody(schema: string, required: boolean) {
  return {
    required,
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
  }
}

/** Nothing at all asks for the defaults. */
async function readOptionalBody(c: Context): Promise<unknown> {
  return (await c.req.arrayBuffer()).byteLength === 0 ? {} : await readJsonBody(c)
}

/** Which destination, and what `If-Match` asks of it. */
function targetOf(c: Context<ApiEnv>, id: string) {
  const describe = (row: DestinationRow) =>
    `The destination was changed since you read it. Its tag is ${tagOfDestination(row)}.`
  return {
    id: numberOf(id),
    userId: c.get('caller').userId,
    guard: ifMatch(c, tagOfDestination, describe),
  }
}

/** 0, which no destination has, for what is no id. */
function numberOf(id: string): number {
  return /^[1-9]\d{0,14}$/.test(id) ? Number(id) : 0
}

function found<Row>(row: Row | undefined, id: string): Row {
  if (row === undefined) throw notFound('destination', id)
  return row
}
