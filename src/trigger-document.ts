import { z } from 'zod'
import { mcpConfigSchema } from './actions/mcp.ts'
import { restConfigSchema } from './actions/rest.ts'
import { telegramConfigSchema } from './actions/telegram.ts'
import {
  type Condition,
  checkConditions,
  describeUnknownType,
  type Problem,
} from './conditions/check-conditions.ts'
import { conditionTypeNames, isConditionType, operators } from './conditions/condition-types.ts'
import { checkScope, scopeNames } from './conditions/stateful/scope.ts'
import { expectedWindow, parseWindowMs } from './conditions/stateful/window.ts'
import { flag, integer, pause, strict, text } from './document-schema.ts'
import { registries } from './event.ts'

const depthMax = 64
const conditionsMax = 50

const conditionSchema = strict({
  condition_type: z
    .string({ error: 'expected the name of a condition type' })
    .meta({ enum: conditionTypeNames }),
  field: z.string({ error: 'expected the name of a field' }).nullish(),
  operator: z.string({ error: 'expected an operator' }).meta({ enum: operators }).nullish(),
  value: z.unknown().optional(),
  config: z.record(z.string(), z.unknown(), { error: 'expected an object' }).default({}),
})

const expectedFinality = 'expected "latest", "finalized" or {"confirmations": n} with n from 1 to 10000'

/** When what an event sets off is sent: at once, when its block is final, or when so many blocks have come after it. */
const finalitySchema = z.union(
  [z.enum(['latest', 'finalized']), z.strictObject({ confirmations: integer(1, 10_000) })],
  { error: expectedFinality },
)

/** {@link checkScope} says which of these have a meaning for the trigger, and makes a list of a single one. */
const scopeSchema = z.union([z.enum(scopeNames), z.array(z.enum(scopeNames))], {
  error: `expected one of ${scopeNames.join(', ')}, or a list of those beside trigger`,
})

function window() {
  return z
    .string({ error: expectedWindow })
    .refine((value) => parseWindowMs(value) !== undefined, { error: expectedWindow })
}

const limitShape = {
  scope: scopeSchema.default('agent'),
  digest: flag()
    .default(false)
    .meta({ description: 'Whether what was held back is delivered as one match afterwards' }),
}

const actionShape = {
  id: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  priority: integer(0, 2_097_150).default(1),
  alerts: flag()
    .default(false)
    .meta({ description: 'Whether it is told when the breaker of another action of the trigger opens' }),
  finality: finalitySchema.nullable().default(null).meta({ description: "null: the trigger's" }),
  on_retraction: z
    .enum(['ignore', 'notify'], { error: 'expected one of ignore, notify' })
    .default('ignore')
    .meta({ description: 'Whether it is told when an event that it delivered leaves the chain' }),
}

const circuitBreakerSchema = strict({
  failures: integer(1, 1000).default(5),
  open_for: pause().default('1m'),
})

const actionSchema = z.discriminatedUnion(
  'action_type',
  [
    strict({ ...actionShape, action_type: z.literal('rest'), config: restConfigSchema }),
    strict({ ...actionShape, action_type: z.literal('telegram'), config: telegramConfigSchema }),
    strict({ ...actionShape, action_type: z.literal('mcp'), config: mcpConfigSchema }),
  ],
  {
    error: (issue) =>
      issue.code === 'invalid_union' ? 'expected one of rest, telegram, mcp' : 'expected an object',
  },
)

/** The shape of a trigger document. {@link parseTriggerDocument} checks more than a shape can say. */
export const triggerDocumentSchema = strict({
  name: text(1, 200),
  description: text(0, 2000).nullish(),
  chain_id: integer(1, Number.MAX_SAFE_INTEGER),
  registry: z.enum(registries, { error: `expected one of ${registries.join(', ')}` }),
  enabled: flag().default(true),
  circuit_breaker: circuitBreakerSchema.default({ failures: 5, open_for: '1m' }),
  finality: finalitySchema.default('latest'),
  from_block: integer(0, Number.MAX_SAFE_INTEGER)
    .nullable()
    .default(null)
    .meta({ description: 'The first block whose events it fires for, also in the past' }),
  warm_up: flag()
    .default(false)
    .meta({ description: 'Whether its state is built from the history before it starts' }),
  cooldown: strict({ period: window(), ...limitShape })
    .nullable()
    .default(null),
  max_fires: strict({ count: integer(1, 1000), within: window().nullable().default(null), ...limitShape })
    .refine(({ digest, within }) => !digest || within !== null, {
      path: ['digest'],
      error: 'expected false: without within, what was held back never ends',
    })
    .nullable()
    .default(null),
  conditions: z
    .array(conditionSchema, { error: `expected a list of 0 to ${conditionsMax} conditions` })
    .max(conditionsMax, { error: `expected a list of 0 to ${conditionsMax} conditions` }),
  actions: z
    .array(actionSchema, { error: 'expected a list of 1 to 20 actions' })
    .min(1, { error: 'expected a list of 1 to 20 actions' })
    .max(20, { error: 'expected a list of 1 to 20 actions' }),
})

export type ActionDocument = z.output<typeof actionSchema>

type Parsed = z.output<typeof triggerDocumentSchema>

/** A trigger as its owner writes it, checked, with every default filled in. */
export type TriggerDocument = Omit<Parsed, 'conditions' | 'cooldown' | 'max_fires'> & {
  conditions: Condition[]
  cooldown: Scoped<Parsed['cooldown']>
  max_fires: Scoped<Parsed['max_fires']>
}

type Scoped<Limit> = Limit extends null ? null : Omit<Limit, 'scope'> & { scope: string[] }

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
      if (shape === undefined || isConditionType(shape.condition_type)) continue
      problems.push({
        path: ['conditions', index, 'condition_type'],
        message: describeUnknownType(shape.condition_type),
      })
    }
    return { problems: unique(problems) }
  }
  const checked = checkConditions(registry.data, shapes)
  problems.push(...checked.problems.map(({ path, message }) => ({ path: ['conditions', ...path], message })))

  if (!parsed.success) return { problems: unique(problems) }
  const scoped = <Limit extends { scope: unknown }>(name: string, limit: Limit | null) => {
    if (limit === null) return null
    const scope = checkScope(limit.scope, checked.firing)
    if ('ok' in scope) return { ...limit, scope: scope.ok }
    const message = `${scope.expected}; found ${JSON.stringify(limit.scope)}`
    problems.push({ path: [name, 'scope'], message })
    return null
  }
  const cooldown = scoped('cooldown', parsed.data.cooldown)
  const max_fires = scoped('max_fires', parsed.data.max_fires)
  if (problems.length > 0) return { problems: unique(problems) }
  return {
    ok: { ...parsed.data, conditions: checked.conditions, cooldown, max_fires },
  }
}

/** A path as people write it: `conditions[2].value`. The whole document is an empty text. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, '')
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
  if (
    !issue.message.startsWith('expected') ||
    path.some((part) => part === 'headers' || part === 'query' || part === 'url')
  )
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
