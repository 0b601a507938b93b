import { alphaOf, averageSettings, compareNumbers, needsAverage, nextAverage } from './average.ts'
import { operatorOf, type StatefulDefinition } from './definition.ts'
import { canUse, compileNumber, numberFields, order } from './read-event.ts'
import { compileScope, scopeSetting } from './scope.ts'
import { integerSetting, tagSetting } from './settings.ts'

/** The moving average of a number, this event included, compares with the value. */
export const emaThreshold: StatefulDefinition = {
  fields: numberFields,
  operators: order,
  value: 'number',
  settings: {
    ...averageSettings,
    min_count: integerSetting(1, 1_000_000, 1),
    scope: scopeSetting,
    tag: tagSetting,
  },
  checkTogether: needsAverage,
  uses: canUse,
  canHold: canUse,
  compile(condition, position) {
    const numberOf = compileNumber(condition)
    const operator = operatorOf(condition)
    const threshold = Number(condition.value)
    const alpha = alphaOf(condition) ?? 1
    const minCount = Number(condition.config.min_count)
    return {
      ...condition,
      position,
      last: false,
      scopeOf: compileScope(condition.config.scope),
      step(state, event) {
        const value = numberOf(event)
        if (value === undefined) return { holds: false, seen: null, state }
        const before = state as { ema: number; count: number } | undefined
        const ema = nextAverage(before?.ema, Number(value), alpha)
        const count = (before?.count ?? 0) + 1
        const holds = count >= minCount && compareNumbers(operator, ema, threshold)
        return { holds, seen: ema, state: { ema, count } }
      },
    }
  },
}
