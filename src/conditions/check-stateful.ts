import type { Condition, ConditionInput, Problem } from './check-conditions.ts'
import {
  type CheckContext,
  type Checked,
  checkField,
  checkNothing,
  checkOperator,
  refuse,
  show,
  valueKinds,
} from './check-parts.ts'
import type { Operator } from './condition-types.ts'
import type { Setting, StatefulDefinition } from './stateful/definition.ts'
import { entriesMax } from './stateful/window.ts'
import { isStatefulType, statefulTypes } from './stateful-types.ts'

/** A window that holds one more than this has its bound in sight. */
const countMax = entriesMax - 1

/** Checks a condition of one of the types in `statefulTypes`, and fills in the defaults of its settings. */
export function checkStateful(context: CheckContext, input: ConditionInput): Checked {
  const { condition_type } = input
  if (!isStatefulType(condition_type)) throw new Error(`${condition_type} is not a stateful type`)
  const type: StatefulDefinition = statefulTypes[condition_type]

  const problems: Problem[] = []
  let field: Condition['field'] = null
  const [firstField, ...otherFields] = type.fields
  if (firstField === undefined) problems.push(...checkNothing(input, 'field'))
  else {
    const checked = checkField(context, [firstField, ...otherFields], input)
    if ('problems' in checked) problems.push(...checked.problems)
    else field = checked.ok
  }

  let operator: Operator | null = null
  const { defaultOperator } = type
  const [firstOperator, ...otherOperators] = type.operators
  if (firstOperator === undefined) problems.push(...checkNothing(input, 'operator'))
  else {
    const checked = checkOperator(
      {
        operators: [firstOperator, ...otherOperators],
        ...(defaultOperator === undefined ? {} : { defaultOperator }),
      },
      input,
    )
    if ('problems' in checked) problems.push(...checked.problems)
    else operator = checked.ok
  }

  const value = checkValue(type, input)
  if ('problems' in value) problems.push(...value.problems)
  const settings = checkSettings(type.settings, input.config ?? {}, context)
  problems.push(...settings.problems)
  if (problems.length > 0 || 'problems' in value) return { problems }

  const condition = { condition_type, field, operator, value: value.ok, config: settings.config }
  const together = type.checkTogether?.(condition, context) ?? []
  return together.length > 0 ? { problems: together } : { condition }
}

/** Settings with every default, and what is wrong with them. */
export function checkSettings(
  settings: Readonly<Record<string, Setting>>,
  given: Readonly<Record<string, unknown>>,
  context: CheckContext,
): { config: Record<string, unknown>; problems: Problem[] } {
  const names = Object.keys(settings)
  const known = names.length === 0 ? 'nothing is known here' : `known are ${names.join(', ')}`
  const problems: Problem[] = Object.keys(given)
    .filter((name) => !names.includes(name))
    .map((name) => ({ path: ['config', name], message: `unknown; ${known}` }))
  const config: Record<string, unknown> = {}
  for (const [name, check] of Object.entries(settings)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    const result = check(value, context)
    if ('problems' in result) {
      problems.push(
        ...result.problems.map(({ path, message }) => ({ path: ['config', name, ...path], message })),
      )
    } else if ('expected' in result) {
      problems.push({ path: ['config', name], message: `${result.expected}; found ${show(value)}` })
    } else if (result.ok !== undefined) config[name] = result.ok
  }
  return { config, problems }
}

function checkValue(
  { value: kind }: StatefulDefinition,
  input: ConditionInput,
): { ok: string | null } | { problems: Problem[] } {
  if (kind === 'none') {
    const problems = checkNothing(input, 'value')
    return problems.length > 0 ? { problems } : { ok: null }
  }
  const { value } = input
  if (kind === 'number') {
    const read = valueKinds.decimal.read(value)
    return read === undefined
      ? refuse('value', `expected ${valueKinds.decimal.expected}; found ${show(value)}`)
      : { ok: read }
  }
  const read = valueKinds.integer.read(value)
  return read === undefined || Number(read) < 1 || Number(read) > countMax
    ? refuse('value', `expected a whole number from 1 to ${countMax}; found ${show(value)}`)
    : { ok: read }
}
