import { type EventType, eventTypes, type Registry } from '../event.ts'
import { type CheckContext, type Checked, checkNoConfig, checkNothing, refuse, show } from './check-parts.ts'
import { checkStateful } from './check-stateful.ts'
import { canHold, checkStateless } from './check-stateless.ts'
import {
  type ConditionField,
  type ConditionType,
  conditionTypeNames,
  findStatelessType,
  type Operator,
} from './condition-types.ts'
import { canHoldContent, checkContent, isContentType, isFileChanged, usesFile } from './content.ts'
import { checkExpression } from './expression.ts'
import { isStatefulType, statefulTypes } from './stateful-types.ts'

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

/** What conditions come to, beside their problems, which count first. */
export type CheckedConditions = {
  conditions: Condition[]
  problems: Problem[]
  /** The event types for which the trigger can fire. */
  firing: readonly EventType[]
  /** Those, and the ones that only move what it remembers. */
  eventTypes: readonly EventType[]
}

/**
 * Checks the conditions of one trigger, fills in what was left out, and brings values into one form.
 *
 * @param conditions `undefined` stands for one that could not be read: it is passed over, and the others keep their index.
 * @returns every problem, with paths that begin with the condition's index; the rest counts only if there is none.
 */
export function checkConditions(
  registry: Registry,
  conditions: readonly (ConditionInput | undefined)[],
): CheckedConditions {
  const problems: Problem[] = []
  const checked = new Map<number, Condition>()
  let possible: readonly EventType[] = eventTypes[registry]
  let firing = possible

  // What the trigger says about event types decides which fields there are, wherever in the list it says so. Then what lets events
  // through to the conditions that remember.
  const entries = [...conditions.entries()].flatMap(([index, input]) =>
    input === undefined ? [] : [{ index, input }],
  )
  for (const { index, input } of entries.toSorted((a, b) => rankOf(a.input) - rankOf(b.input))) {
    const isStateful = remembers(input)
    const result = checkCondition({ registry, possible }, input)
    if ('problems' in result) {
      problems.push(...result.problems.map(({ path, message }) => ({ path: [index, ...path], message })))
      continue
    }
    const before = isStateful ? firing : possible
    const left = before.filter((eventType) => canHoldFor(result.condition, eventType))
    if (left.length === 0) {
      problems.push({
        path: [index, input.condition_type === 'event_type_equals' ? 'value' : 'condition_type'],
        message: `the trigger could never fire: the conditions before leave only ${before.join(', ')}`,
      })
      continue
    }
    firing = left
    if (!isStateful) possible = left
    checked.set(index, result.condition)
  }
  problems.push(...findLonely(entries))

  const listed = entries.flatMap(({ index }) => checked.get(index) ?? [])
  const movesState = (eventType: EventType) =>
    listed.some((condition) => {
      const { condition_type } = condition
      if (isStatefulType(condition_type)) return statefulTypes[condition_type].uses(condition, eventType)
      return isFileChanged(condition) && usesFile(eventType)
    })
  return {
    conditions: listed,
    problems: problems.sort((a, b) => Number(a.path[0]) - Number(b.path[0])),
    firing,
    eventTypes: possible.filter((eventType) => firing.includes(eventType) || movesState(eventType)),
  }
}

/** Whether a condition has a memory. */
export function remembers(condition: Pick<ConditionInput, 'condition_type' | 'operator'>): boolean {
  return isStatefulType(condition.condition_type) || isFileChanged(condition)
}

/** What to say of a condition type that there is not. */
export function describeUnknownType(name: string): string {
  return `expected one of ${conditionTypeNames.join(', ')}; found ${show(name)}`
}

function checkCondition(context: CheckContext, input: ConditionInput): Checked {
  const { condition_type } = input
  if (findStatelessType(condition_type) !== undefined) return checkStateless(context, input)
  if (isStatefulType(condition_type)) return checkStateful(context, input)
  if (isContentType(condition_type)) return checkContent(context, input)
  if (condition_type === 'expression') return checkExpressionCondition(context, input)
  return refuse('condition_type', describeUnknownType(condition_type))
}

function checkExpressionCondition({ possible }: CheckContext, input: ConditionInput): Checked {
  const { value } = input
  const problems = [...checkNothing(input, 'field', 'operator'), ...checkNoConfig(input)]
  if (typeof value !== 'string') {
    const example = 'such as "event.score < 70.0 || event.tag1 == \'starred\'"'
    problems.push({ path: ['value'], message: `expected an expression, ${example}; found ${show(value)}` })
  } else {
    const problem = checkExpression(value, possible)
    if (problem !== undefined) problems.push({ path: ['value'], message: problem })
  }
  if (problems.length > 0 || typeof value !== 'string') return { problems }
  return { condition: { condition_type: 'expression', field: null, operator: null, value, config: {} } }
}

function canHoldFor(condition: Condition, eventType: EventType): boolean {
  const { condition_type } = condition
  if (isStatefulType(condition_type)) return statefulTypes[condition_type].canHold(condition, eventType)
  return isContentType(condition_type) ? canHoldContent(condition, eventType) : canHold(condition, eventType)
}

function rankOf(input: ConditionInput): number {
  if (input.condition_type === 'event_type_equals') return 0
  if (remembers(input)) return 3
  return findStatelessType(input.condition_type) === undefined ? 2 : 1
}

/** An absence has no event that another condition could remember. */
function findLonely(entries: readonly { index: number; input: ConditionInput }[]): Problem[] {
  const stateful = entries.filter(({ input }) => remembers(input))
  if (stateful.length < 2) return []
  return stateful
    .filter(({ input }) => input.condition_type === 'absence')
    .map(({ index }) => ({
      path: [index, 'condition_type'],
      message:
        'absence has to be the only condition of the trigger that remembers something: leave out the others',
    }))
}
