import type { EventType, RegistryEvent } from '../../event.ts'
import type { Condition, ConditionInput, Problem } from '../check-conditions.ts'
import { type CheckContext, oneOf, show } from '../check-parts.ts'
import { canHold, checkStateless } from '../check-stateless.ts'
import { compileStateless } from '../compile-stateless.ts'
import { conditionTypes, findStatelessType } from '../condition-types.ts'
import type { Setting, StatefulDefinition } from './definition.ts'
import { canUse, compileTag } from './read-event.ts'
import { compileScope, scopeSetting } from './scope.ts'
import { tagSetting, windowSetting } from './settings.ts'
import { windowMsOf } from './window.ts'

const listMax = 10
const keys = ['condition_type', 'field', 'operator', 'value', 'config']

/** A list of conditions that one event has to meet. */
const stepSetting: Setting = (given, context) => {
  if (!Array.isArray(given) || given.length === 0 || given.length > listMax) {
    return { expected: `expected a list of 1 to ${listMax} conditions` }
  }
  // Conditions on the type of the event come first: they decide which fields there are.
  const order = [...given.entries()].toSorted(([, a], [, b]) => limitsTypes(b) - limitsTypes(a))
  const checked = new Map<number, Condition>()
  const problems: Problem[] = []
  let possible = context.possible
  for (const [index, one] of order) {
    const result = checkOne(one, { ...context, possible })
    if ('problems' in result) {
      problems.push(...result.problems.map(({ path, message }) => ({ path: [index, ...path], message })))
      continue
    }
    const left = possible.filter((eventType) => canHold(result.condition, eventType))
    if (left.length === 0) {
      const message = `no event can meet these conditions: those before leave only ${possible.join(', ')}`
      problems.push({ path: [index, 'value'], message })
      continue
    }
    possible = left
    checked.set(index, result.condition)
  }
  if (problems.length > 0) return { problems }
  return { ok: given.flatMap((_, index) => checked.get(index) ?? []).map(({ config: _, ...shown }) => shown) }
}

/** One event, and after it, within a time, another one. */
export const sequence: StatefulDefinition = {
  fields: [],
  operators: [],
  value: 'none',
  settings: {
    first: stepSetting,
    // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
    then: stepSetting,
    within: windowSetting,
    scope: scopeSetting,
    tag: tagSetting,
  },
  uses: (condition, eventType) =>
    canUse(condition, eventType) &&
    (canMeet(condition.config.first, eventType) || canMeet(condition.config.then, eventType)),
  canHold: (condition, eventType) =>
    canUse(condition, eventType) && canMeet(condition.config.then, eventType),
  compile(condition, position) {
    const isFirst = compileStep(condition.config.first)
    const isThen = compileStep(condition.config.then)
    const isUsed = compileTag(condition)
    const withinMs = windowMsOf(condition.config.within)
    return {
      ...condition,
      position,
      last: false,
      scopeOf: compileScope(condition.config.scope),
      step(state, event) {
        if (!isUsed(event)) return { holds: false, seen: null, state }
        const now = event.block_time.getTime()
        const firstAt = state?.first_at
        const passedMs = isThen(event) && typeof firstAt === 'number' ? now - firstAt : undefined
        const holds = passedMs !== undefined && passedMs <= withinMs
        const rest = holds ? undefined : state
        return {
          holds,
          seen: passedMs === undefined ? null : passedMs / 1000,
          state: isFirst(event) ? { first_at: now, first_event: event.id } : rest,
        }
      },
    }
  },
}

function checkOne(given: unknown, context: CheckContext): ReturnType<typeof checkStateless> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return { problems: [{ path: [], message: `expected an object; found ${show(given)}` }] }
  }
  const unknown = Object.keys(given).filter((key) => !keys.includes(key))
  if (unknown.length > 0) {
    const message = `unknown; known are ${keys.join(', ')}`
    return { problems: unknown.map((key) => ({ path: [key], message })) }
  }
  const input = given as Partial<ConditionInput>
  const type = input.condition_type
  if (typeof type !== 'string' || findStatelessType(type) === undefined) {
    const message = `expected ${oneOf(Object.keys(conditionTypes))}; found ${show(type)}`
    return { problems: [{ path: ['condition_type'], message }] }
  }
  return checkStateless(context, { ...input, condition_type: type })
}

function limitsTypes(given: unknown): number {
  return Number((given as { condition_type?: unknown } | null)?.condition_type === 'event_type_equals')
}

function canMeet(step: unknown, eventType: EventType): boolean {
  return (step as Condition[]).every((condition) => canHold(condition, eventType))
}

function compileStep(step: unknown): (event: RegistryEvent) => boolean {
  const conditions = (step as Condition[]).map((condition, index) => compileStateless(condition, index))
  return (event) => conditions.every((condition) => condition.holds(event))
}
