import { z } from 'zod'
import {
  type Condition,
  checkConditions,
  describeUnknownType,
  type Problem,
} from './conditions/check-conditions.ts'
import { conditionTypes, findConditionType, operators } from './conditions/condition-types.ts'
import { registries } from './event.ts'
import { parsePauseMs } from './parse-pause.ts'
import { checkTemplate, type JsonValue } from './render-template.ts'

const depthMax = 64
const conditionsMax = 50

/** Headers that are set for the connection, the body or the delivery: to set them breaks requests or smuggles others in. */
const forbiddenHeaders = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te'],
  ...['trailer', 'transfer-encoding', 'upgrade', 'content-length', 'host', 'expect', 'webhook-id'],
])

const methods = ['POST', 'PUT', 'PATCH', 'GET', 'DELETE'] as const

/** Enough for an outage of a night with the default pauses. */
const attemptsMaxDefault = 8

const pauseExpected = 'expected a pause from 1s to 24h, such as 30s, 5m or 2h'
const pausesExpected = 'expected a list of 1 to 19 pauses, such as ["5s", "5m", "2h"]'

const restConfigSchema = strict({
  url: text(1, 2048).superRefine((value, context) => {
    const problem = checkUrl(value)
    if (problem !== undefined) context.addIssue(problem)
  }),
  method: z.enum(methods, { error: `expected one of ${methods.join(', ')}` }).default('POST'),
  headers: z
    .record(z.string(), z.unknown().meta({ type: 'string' }), {
      error: 'expected an object of header names and texts',
    })
    .superRefine(checkHeaders)
    .transform((headers) => headers as Record<string, string>)
    .default({}),
  body_template: z
    .custom<JsonValue>()
    .superRefine((value, context) => {
      if (value === undefined) return
      for (const { path, message } of checkTemplate(value)) {
        context.addIssue({ code: 'custom', path, message })
      }
    })
    .optional(),
  timeout_ms: integer(1000, 60_000).default(30_000),
  max_attempts: integer(1, 20)
    .optional()
    .meta({ description: `${attemptsMaxDefault}, or one more than retry_schedule has pauses, unless given` }),
  retry_schedule: z
    .array(
      z
        .string({ error: pauseExpected })
        .refine((pause) => parsePauseMs(pause) !== undefined, { error: pauseExpected }),
      { error: pausesExpected },
    )
    .min(1, { error: pausesExpected })
    .max(19, { error: pausesExpected })
    .optional(),
})
  .refine((config) => config.method !== 'GET' || config.body_template === undefined, {
    path: ['body_template'],
    error: 'expected nothing: a GET request has no body',
    // Also beside other mistakes, so that one answer lists everything.
    when: ({ value }) => typeof value === 'object' && value !== null,
  })
  .transform(({ max_attempts, retry_schedule, ...config }) => ({
    ...config,
    max_attempts:
      max_attempts ?? (retry_schedule === undefined ? attemptsMaxDefault : retry_schedule.length + 1),
    ...(retry_schedule === undefined ? {} : { retry_schedule }),
  }))

const conditionSchema = strict({
  condition_type: z
    .string({ error: 'expected the name of a condition type' })
    .meta({ enum: Object.keys(conditionTypes) }),
  field: z.string({ error: 'expected the name of a field' }).optional(),
  operator: z.string({ error: 'expected an operator' }).meta({ enum: operators }).optional(),
  value: z.unknown().optional(),
  config: strict({}).default({}),
})

const actionSchema = z.discriminatedUnion(
  'action_type',
  [
    strict({
      id: integer(1, Number.MAX_SAFE_INTEGER).optional(),
      action_type: z.literal('rest'),
      priority: integer(0, 2_097_150).default(1),
      config: restConfigSchema,
    }),
  ],
  {
    error: (issue) =>
      issue.code === 'invalid_union'
        ? 'expected rest, the only action that there is so far'
        : 'expected an object',
  },
)

/** The shape of a trigger document. {@link parseTriggerDocument} checks more than a shape can say. */
export const triggerDocumentSchema = strict({
  name: text(1, 200),
  description: text(0, 2000).nullish(),
  chain_id: integer(1, Number.MAX_SAFE_INTEGER),
  registry: z.enum(registries, { error: `expected one of ${registries.join(', ')}` }),
  enabled: z.boolean({ error: 'expected true or false' }).default(true),
  conditions: z
    .array(conditionSchema, { error: `expected a list of 0 to ${conditionsMax} conditions` })
    .max(conditionsMax, { error: `expected a list of 0 to ${conditionsMax} conditions` }),
  actions: z
    .array(actionSchema, { error: 'expected a list of 1 to 20 actions' })
    .min(1, { error: 'expected a list of 1 to 20 actions' })
    .max(20, { error: 'expected a list of 1 to 20 actions' }),
})

/** What a REST action does, as it is stored: every default is filled in. */
export type RestActionConfig = z.output<typeof restConfigSchema>
export type ActionDocument = z.output<typeof actionSchema>

/** A trigger as its owner writes it, checked, with every default filled in. */
export type TriggerDocument = Omit<z.output<typeof triggerDocumentSchema>, 'conditions'> & {
  conditions: (Condition & { config: Record<string, never> })[]
}

/**
 * Reads a trigger document that came from outside.
 *
 * @param chains The chains that a trigger can be for.
 * @returns the document, or every problem with the path to it.
 */
export function parseTriggerDocument(
  input: unknown,
  chains: readonly { id: number }[],
): { ok: TriggerDocument } | { problems: Problem[] } {
  const unstorable = findUnstorable(input, [])
  if (unstorable.some(({ path }) => path.length > depthMax)) return { problems: unstorable }

  const parsed = triggerDocumentSchema.safeParse(input)
  const problems = [
    ...unstorable,
    ...(parsed.error?.issues ?? []).flatMap((issue) => toProblems(issue, input)),
  ]

  const given = (typeof input === 'object' && input !== null ? input : {}) as Record<string, unknown>
  const chainId = triggerDocumentSchema.shape.chain_id.safeParse(given.chain_id)
  if (chainId.success && !chains.some(({ id }) => id === chainId.data)) {
    const known = chains.map(({ id }) => id).join(', ')
    problems.push({
      path: ['chain_id'],
      message: `expected a chain with known registries: ${known}; found ${chainId.data}`,
    })
  }

  // Conditions are checked even if other parts are wrong, so that one answer lists everything.
  const registry = triggerDocumentSchema.shape.registry.safeParse(given.registry)
  const conditions = z.array(z.unknown()).max(conditionsMax).safeParse(given.conditions)
  if (!conditions.success) return { problems: unique(problems) }
  const shapes = conditions.data.map((condition) => conditionSchema.safeParse(condition).data)
  if (!registry.success) {
    // What else a condition may say depends on the registry; its type does not.
    for (const [index, shape] of shapes.entries()) {
      if (shape === undefined || findConditionType(shape.condition_type) !== undefined) continue
      problems.push({
        path: ['conditions', index, 'condition_type'],
        message: describeUnknownType(shape.condition_type),
      })
    }
    return { problems: unique(problems) }
  }
  const checked = checkConditions(registry.data, shapes)
  problems.push(...checked.problems.map(({ path, message }) => ({ path: ['conditions', ...path], message })))

  if (problems.length > 0 || !parsed.success) return { problems: unique(problems) }
  return {
    ok: { ...parsed.data, conditions: checked.conditions.map((condition) => ({ ...condition, config: {} })) },
  }
}

/** A path as people write it: `conditions[2].value`. The whole document is an empty text. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, '')
}

function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape)
  const known = names.length === 0 ? 'nothing is known here' : `known are ${names.join(', ')}`
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? `unknown; ${known}` : 'expected an object'),
  })
}

function text(min: number, max: number) {
  const error = `expected a text of ${min === 0 ? 'at most' : `${min} to`} ${max} characters`
  return z.string({ error }).min(min, { error }).max(max, { error })
}

function integer(min: number, max: number) {
  const error = `expected a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}

function checkUrl(value: string): string | undefined {
  const expected = 'expected a URL that begins with http:// or https://'
  if (!URL.canParse(value)) return expected
  const url = new URL(value)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return expected
  if (url.username !== '' || url.password !== '') {
    return `${expected}, without a user name or password in it: put them into a header`
  }
  if (isTemplate(value)) return `${expected}: templates are rendered in body_template only`
  return undefined
}

function checkHeaders(headers: Record<string, unknown>, context: z.core.$RefinementCtx): void {
  const names = Object.keys(headers)
  if (names.length > 50) context.addIssue('expected at most 50 headers')
  for (const [name, value] of Object.entries(headers)) {
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: [name], message })
    if (!/^[\w!#$%&'*+.^`|~-]{1,100}$/.test(name)) {
      refuse('expected a header name: letters, digits and -')
    } else if (forbiddenHeaders.has(name.toLowerCase())) {
      refuse('this header is set for every request: leave it out')
    } else if (names.some((other) => other !== name && other.toLowerCase() === name.toLowerCase())) {
      refuse('this header is given twice: upper and lower case make no difference')
    }
    if (typeof value !== 'string' || !/^[\t\x20-\x7e]{0,8192}$/.test(value)) {
      refuse('expected a text of at most 8192 characters of ASCII in one line')
    } else if (isTemplate(value)) {
      refuse('templates are rendered in body_template only')
    }
  }
}

function isTemplate(value: string): boolean {
  return value.includes('{{') || value.includes('{%')
}

/** What JSON can say and the database cannot keep: NUL characters, halves of characters, endless nesting. */
function findUnstorable(value: unknown, path: (string | number)[]): Problem[] {
  if (path.length > depthMax) return [{ path, message: `nested deeper than ${depthMax} levels` }]
  if (typeof value === 'string' && !isStorable(value)) {
    return [{ path, message: 'expected a text without NUL characters and lone surrogates' }]
  }
  if (Array.isArray(value)) return value.flatMap((item, index) => findUnstorable(item, [...path, index]))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, item]) =>
    isStorable(key) && key !== '__proto__'
      ? findUnstorable(item, [...path, key])
      : [{ path, message: `the key ${JSON.stringify(key)} cannot be stored` }],
  )
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

function toProblems(issue: z.core.$ZodIssue, input: unknown): Problem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: issue.message }))
  }
  if (!issue.message.startsWith('expected') || path.some((part) => part === 'headers' || part === 'url'))
    return [{ path, message: issue.message }]
  const found = path.reduce<unknown>(
    (value, part) => (value as Record<string, unknown> | undefined)?.[part],
    input,
  )
  const shown = JSON.stringify(found) ?? 'nothing'
  return [
    {
      path,
      message: `${issue.message}; found ${shown.length > 80 ? `${shown.slice(0, 80)}…` : shown}`,
    },
  ]
}

function unique(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}
