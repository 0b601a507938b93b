import type { EventType, Registry, RegistryEvent } from '../event.ts'
import { type Condition, type ConditionInput, checkConditions } from './check-conditions.ts'
import { compileStateless } from './compile-stateless.ts'
import type {
  CompiledCondition,
  CompiledContent,
  CompiledLimit,
  CompiledStateful,
  CompiledTrigger,
} from './compiled-trigger.ts'
import { compileContent, compileFileChanged, isContentType, isFileChanged } from './content.ts'
import { compileExpression, usedFields } from './expression.ts'
import { compileScope } from './stateful/scope.ts'
import { windowMsOf } from './stateful/window.ts'
import { isStatefulType, statefulTypes } from './stateful-types.ts'

/** How much of a text the evidence of an expression shows. */
const shownMax = 200

/** A trigger as it is stored, with its conditions in order. */
export type TriggerRow = {
  id: string
  version: number
  generation: number
  chain_id: number
  registry: Registry
  active_since: Date
  from_block: number | null
  warm_up: boolean
  cooldown: { period: string; scope: readonly string[]; digest: boolean } | null
  max_fires: { count: number; within: string | null; scope: readonly string[]; digest: boolean } | null
  conditions: readonly (ConditionInput & { position: number })[]
}

/**
 * Prepares a trigger for many events.
 *
 * @throws Error when a stored condition is not one that this version understands, say because it was written by hand.
 */
export function compileTrigger(row: TriggerRow): CompiledTrigger {
  const { conditions, problems, eventTypes } = checkConditions(row.registry, row.conditions)
  const [problem] = problems
  if (problem !== undefined) {
    throw new Error(
      `Trigger ${row.id} cannot be used: its condition ${problem.path.join('.')}: ${problem.message}`,
    )
  }
  const stateless: CompiledCondition[] = []
  const expressions: CompiledCondition[] = []
  const content: CompiledContent[] = []
  const stateful: CompiledStateful[] = []
  for (const [index, condition] of conditions.entries()) {
    const { condition_type } = condition
    const position = row.conditions[index]?.position ?? index
    if (isStatefulType(condition_type)) {
      stateful.push(statefulTypes[condition_type].compile(condition, position))
    } else if (isFileChanged(condition)) {
      stateful.push(compileFileChanged(condition, position))
    } else if (isContentType(condition_type)) {
      content.push(compileContent(condition, position))
    } else if (condition_type === 'expression') {
      expressions.push(compileExpressionCondition(condition, position))
    } else stateless.push(compileStateless(condition, position))
  }
  return {
    id: row.id,
    version: row.version,
    generation: row.generation,
    chain_id: row.chain_id,
    registry: row.registry,
    active_since: row.active_since,
    // Expressions are the slowest to ask, and the only ones that can fail.
    conditions: [...stateless.toSorted((a, b) => rankOf(a) - rankOf(b)), ...expressions],
    content: content.length === 0 ? none : content,
    stateful: stateful.length === 0 ? none : stateful.toSorted((a, b) => Number(a.last) - Number(b.last)),
    limits: row.cooldown === null && row.max_fires === null ? none : compileLimits(row),
    readsFiles: conditions.some(({ condition_type }) => isContentType(condition_type)),
    eventTypes: shareTypes(eventTypes),
    agentIds: agentIdsOf(conditions),
    from_block: row.from_block ?? undefined,
    warm_up: row.warm_up,
  }
}

/** What the index cannot know comes first: for its candidates, the other conditions nearly always hold. */
function rankOf({ operator }: CompiledCondition): number {
  return operator === 'exists' || operator === 'contains' || operator === '!=' || operator === 'not_in'
    ? 0
    : 1
}

/** Of a hundred thousand triggers most have none of these, and the same types. */
const none: readonly never[] = Object.freeze([])
const sharedTypes = new Map<string, readonly EventType[]>()

function shareTypes(types: readonly EventType[]): readonly EventType[] {
  const key = types.join()
  const shared = sharedTypes.get(key) ?? types
  sharedTypes.set(key, shared)
  return shared
}

function compileExpressionCondition(condition: Condition, position: number): CompiledCondition {
  const text = String(condition.value)
  const fields = usedFields(text)
  return {
    ...condition,
    position,
    holds: compileExpression(text),
    seen: (event) => describeFields(event, fields),
  }
}

/** What an expression has to do with, as JSON. Texts can be a megabyte. */
function describeFields(event: RegistryEvent, names: readonly string[]): string {
  const shown = names.map((name) => {
    const value: unknown = event[name as keyof RegistryEvent]
    return [
      name,
      typeof value === 'string' && value.length > shownMax ? `${value.slice(0, shownMax)}…` : value,
    ]
  })
  return JSON.stringify(Object.fromEntries(shown))
}

function compileLimits({ cooldown, max_fires }: TriggerRow): CompiledLimit[] {
  const limits: CompiledLimit[] = []
  if (cooldown !== null) {
    limits.push({
      kind: 'cooldown',
      count: 1,
      within: windowMsOf(cooldown.period),
      digest: cooldown.digest,
      scopeOf: compileScope(cooldown.scope),
    })
  }
  if (max_fires !== null) {
    limits.push({
      kind: 'max_fires',
      count: max_fires.count,
      within: max_fires.within === null ? undefined : windowMsOf(max_fires.within),
      digest: max_fires.digest,
      scopeOf: compileScope(max_fires.scope),
    })
  }
  return limits
}

function agentIdsOf(conditions: readonly Condition[]): readonly string[] | undefined {
  const [first, ...rest] = conditions
    .filter(
      ({ condition_type, operator }) =>
        condition_type === 'agent_id_equals' && (operator === '=' || operator === 'in'),
    )
    .map(({ value }): readonly string[] => (Array.isArray(value) ? value : [String(value)]))
  return rest.length === 0 ? first : first?.filter((id) => rest.every((list) => list.includes(id)))
}
