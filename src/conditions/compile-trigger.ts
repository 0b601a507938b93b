import { type EventType, eventFields, eventTypes, type Registry, type RegistryEvent } from '../event.ts'
import { type Condition, type ConditionInput, canHold, checkConditions } from './check-conditions.ts'
import type { ConditionField } from './condition-types.ts'
import { compareDecimals, normalizeDecimal } from './decimal.ts'

/** A trigger as it is stored, with its conditions in order. */
export type TriggerRow = {
  id: string
  version: number
  chain_id: number
  registry: Registry
  active_since: Date
  conditions: readonly (ConditionInput & { position: number })[]
}

export type CompiledCondition = Condition & {
  position: number
  /** Whether the condition holds for what the event has in the field. */
  test: (seen: string | number | null) => boolean
}

/** A trigger that is ready to be asked about many events. Events from before `active_since` are the caller's matter. */
export type CompiledTrigger = {
  id: string
  version: number
  chain_id: number
  registry: Registry
  active_since: Date
  conditions: readonly CompiledCondition[]
  /** The event types for which it can fire. */
  eventTypes: readonly EventType[]
  /** The agents for which it can fire; `undefined`: all. Decimal strings. */
  agentIds: readonly string[] | undefined
}

/**
 * Prepares a trigger for {@link evaluateTrigger} and the index.
 *
 * @throws Error when a stored condition is not one that this version understands, say because it was written by hand.
 */
export function compileTrigger(row: TriggerRow): CompiledTrigger {
  const { conditions, problems } = checkConditions(row.registry, row.conditions)
  const [problem] = problems
  if (problem !== undefined) {
    throw new Error(
      `Trigger ${row.id} cannot be used: its condition ${problem.path.join('.')}: ${problem.message}`,
    )
  }
  return {
    id: row.id,
    version: row.version,
    chain_id: row.chain_id,
    registry: row.registry,
    active_since: row.active_since,
    conditions: conditions.map((condition, index) => ({
      ...condition,
      position: row.conditions[index]?.position ?? index,
      test: compileTest(condition),
    })),
    eventTypes: eventTypes[row.registry].filter((eventType) =>
      conditions.every((condition) => canHold(condition, eventType)),
    ),
    agentIds: agentIdsOf(conditions),
  }
}

/** What the event has in the field of a condition. */
export function readField(event: RegistryEvent, field: ConditionField): string | number | null {
  return event[field]
}

function compileTest({ field, operator, value }: Condition): CompiledCondition['test'] {
  if (operator === 'exists') return (seen) => (seen !== null && seen !== '') === value

  const normalize = normalizerOf(field)
  const present = (test: (seen: string) => boolean) => (seen: string | number | null) =>
    seen !== null && test(normalize(String(seen)))

  if (Array.isArray(value)) {
    const list = new Set<string>(value)
    return operator === 'in' ? present((seen) => list.has(seen)) : present((seen) => !list.has(seen))
  }
  const wanted = String(value)
  switch (operator) {
    case '=':
      return present((seen) => seen === wanted)
    case '!=':
      return present((seen) => seen !== wanted)
    case 'contains':
      return present((seen) => seen.includes(wanted))
    case '<':
      return present((seen) => compareDecimals(seen, wanted) < 0)
    case '<=':
      return present((seen) => compareDecimals(seen, wanted) <= 0)
    case '>':
      return present((seen) => compareDecimals(seen, wanted) > 0)
    case '>=':
      return present((seen) => compareDecimals(seen, wanted) >= 0)
    default:
      throw new Error(`The operator ${operator} needs a list`)
  }
}

function normalizerOf(field: ConditionField): (seen: string) => string {
  const kind = field === 'event_type' ? 'text' : eventFields[field].kind
  if (kind === 'address') return (seen) => seen.toLowerCase()
  if (kind === 'integer' || kind === 'decimal') return (seen) => normalizeDecimal(seen) ?? seen
  return (seen) => seen
}

function agentIdsOf(conditions: readonly Condition[]): string[] | undefined {
  const lists = conditions
    .filter(({ field, operator }) => field === 'agent_id' && (operator === '=' || operator === 'in'))
    .map(({ value }) => new Set<string>(Array.isArray(value) ? value : [value]))
  const [first, ...rest] = lists
  return first && [...first].filter((id) => rest.every((list) => list.has(id)))
}
