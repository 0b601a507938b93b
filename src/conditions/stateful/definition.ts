import type { EventField, EventType } from '../../event.ts'
import type { Condition, Problem } from '../check-conditions.ts'
import type { CheckContext } from '../check-parts.ts'
import type { CompiledStateful } from '../compiled-trigger.ts'
import type { ConditionField, Operator } from '../condition-types.ts'

/** What one key of `config` may be. A value of `undefined` is left out of what is stored. Paths begin inside of the key. */
export type Setting = (
  given: unknown,
  context: CheckContext,
) => { ok: unknown } | { expected: string } | { problems: Problem[] }

/** A condition type with a memory: what it can be asked, and how it is made ready. */
export type StatefulDefinition = {
  /** The default is the first one that an event of the trigger fills. Empty: it looks at no field. */
  fields: readonly EventField[]
  /** Empty: it compares nothing. */
  operators: readonly Operator[]
  /** Left out where no operator is more likely meant than another: the trigger has to say. */
  defaultOperator?: Operator
  /** A number, a number of things that a window can hold, or nothing. */
  value: 'number' | 'count' | 'none'
  settings: Readonly<Record<string, Setting>>
  /** What is wrong with settings that are right by themselves. */
  checkTogether?: (condition: Condition, context: CheckContext) => Problem[]
  /** Whether an event of this type can move its state. */
  uses(condition: Condition, eventType: EventType): boolean
  /** Whether it can hold for an event of this type. */
  canHold(condition: Condition, eventType: EventType): boolean
  compile(condition: Condition, position: number): CompiledStateful
}

/** `field` as {@link StatefulDefinition.fields} promises it. */
export function fieldOf({ condition_type, field }: Condition): Exclude<ConditionField, 'event_type'> {
  if (field === null || field === 'event_type')
    throw new Error(`A condition of type ${condition_type} needs a field`)
  return field
}

export function operatorOf({ condition_type, operator }: Condition): Operator {
  if (operator === null) throw new Error(`A condition of type ${condition_type} needs an operator`)
  return operator
}
