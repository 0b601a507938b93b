import { eventTypes, type Registry } from '../event.ts'
import { type Condition, type ConditionInput, checkConditions } from './check-conditions.ts'
import { canHold } from './check-stateless.ts'
import { compileStateless } from './compile-stateless.ts'
import type { CompiledTrigger } from './compiled-trigger.ts'

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
    generation: row.generation,
    chain_id: row.chain_id,
    registry: row.registry,
    active_since: row.active_since,
    conditions: conditions.map((condition, index) =>
      compileStateless(condition, row.conditions[index]?.position ?? index),
    ),
    content: [],
    stateful: [],
    limits: [],
    readsFiles: false,
    eventTypes: eventTypes[row.registry].filter((eventType) =>
      conditions.every((condition) => canHold(condition, eventType)),
    ),
    agentIds: agentIdsOf(conditions),
    from_block: row.from_block ?? undefined,
    warm_up: row.warm_up,
  }
}

function agentIdsOf(conditions: readonly Condition[]): string[] | undefined {
  const lists = conditions
    .filter(({ field, operator }) => field === 'agent_id' && (operator === '=' || operator === 'in'))
    .map(({ value }) => new Set<string>(Array.isArray(value) ? value : [String(value)]))
  const [first, ...rest] = lists
  return first && [...first].filter((id) => rest.every((list) => list.has(id)))
}
