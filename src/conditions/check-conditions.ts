import { type EventType, eventTypes, type Registry } from '../event.ts'
import { type CheckContext, type Checked, refuse, show } from './check-parts.ts'
import { canHold, checkStateless } from './check-stateless.ts'
import {
  type ConditionField,
  type ConditionType,
  conditionTypes,
  findStatelessType,
  type Operator,
} from './condition-types.ts'

/** What is wrong with one value of a document, and where it is. */
export type Problem = { path: (string | number)[]; message: string }

/** A condition as somebody wrote it: what is left out has a default. */
export type ConditionInput = {
  condition_type: string
  field?: string | null | undefined
  operator?: string | null | undefined
  value?: unknown
  config?: Readonly<Record<string, unknown>> | undefined
}

/** A condition that was checked. Numbers are decimal strings in normal form, addresses are lower case. */
export type Condition = {
  condition_type: ConditionType
  /** `null` where the type looks at more than one field, or at none. */
  field: ConditionField | null
  operator: Operator | null
  value: string | boolean | readonly string[] | null
  /** Complete, with every default; empty where the type has no settings. */
  config: Record<string, unknown>
}

/**
 * Checks the conditions of one trigger, fills in what was left out, and brings values into one form.
 *
 * @param conditions `undefined` stands for one that could not be read: it is passed over, and the others keep their index.
 * @returns every problem, with paths that begin with the condition's index; the conditions count only if there is none.
 */
export function checkConditions(
  registry: Registry,
  conditions: readonly (ConditionInput | undefined)[],
): { conditions: Condition[]; problems: Problem[] } {
  const problems: Problem[] = []
  const checked = new Map<number, Condition>()
  let possible: readonly EventType[] = eventTypes[registry]

  // What the trigger says about event types decides which fields there are, wherever in the list it says so.
  const entries = [...conditions.entries()]
  const limitsTypes = ([, input]: (typeof entries)[number]) =>
    Number(input?.condition_type === 'event_type_equals')
  for (const [index, input] of entries.toSorted((a, b) => limitsTypes(b) - limitsTypes(a))) {
    if (input === undefined) continue
    const result = checkCondition({ registry, possible }, input)
    if ('problems' in result) {
      problems.push(...result.problems.map(({ path, message }) => ({ path: [index, ...path], message })))
      continue
    }
    const left = possible.filter((eventType) => canHold(result.condition, eventType))
    if (left.length === 0) {
      problems.push({
        path: [index, 'value'],
        message: `the trigger could never fire: the conditions before leave only ${possible.join(', ')}`,
      })
      continue
    }
    possible = left
    checked.set(index, result.condition)
  }

  problems.sort((a, b) => Number(a.path[0]) - Number(b.path[0]))
  return {
    conditions: entries.flatMap(([index]) => checked.get(index) ?? []),
    problems,
  }
}

/** What to say of a condition type that there is not. */
export function describeUnknownType(name: string): string {
  return `expected one of ${Object.keys(conditionTypes).join(', ')}; found ${show(name)}`
}

function checkCondition(context: CheckContext, input: ConditionInput): Checked {
  if (findStatelessType(input.condition_type) !== undefined) return checkStateless(context, input)
  return refuse('condition_type', describeUnknownType(input.condition_type))
}
