import type { Condition, Problem } from '../check-conditions.ts'
import { compileComparison } from '../compile-stateless.ts'
import type { State } from '../compiled-trigger.ts'
import { compareDecimals } from '../decimal.ts'
import { alphaOf, averageSettings, compareNumbers, nextAverage } from './average.ts'
import { operatorOf, type StatefulDefinition } from './definition.ts'
import { canUse, compileNumber, numberFields } from './read-event.ts'
import { compileScope, scopeSetting } from './scope.ts'
import { decimalSetting, tagSetting } from './settings.ts'

/** A number, or its average, has crossed a level with this event. */
export const change: StatefulDefinition = {
  fields: numberFields,
  operators: ['<', '<=', '>', '>='],
  value: 'number',
  settings: { ...averageSettings, reset: decimalSetting, scope: scopeSetting, tag: tagSetting },
  checkTogether: checkReset,
  uses: canUse,
  canHold: canUse,
  compile(condition, position) {
    const numberOf = compileNumber(condition)
    const operator = operatorOf(condition)
    const level = String(condition.value)
    const resetLevel = String(condition.config.reset ?? level)
    const alpha = alphaOf(condition)
    // Single values compare exactly; an average is a double.
    const isBeyond = compileComparison(operator, level)
    const isBeyondReset = compileComparison(operator, resetLevel)

    return {
      ...condition,
      position,
      last: false,
      scopeOf: compileScope(condition.config.scope),
      step(state, event) {
        const value = numberOf(event)
        if (value === undefined) return { holds: false, seen: null, state }
        if (alpha === undefined) {
          const { holds, armed } = cross(state, isBeyond(value), isBeyondReset(value))
          return { holds, seen: value, state: armed === state?.armed ? state : { armed } }
        }
        const before = state as { ema: number; count: number } | undefined
        const ema = nextAverage(before?.ema, Number(value), alpha)
        const { holds, armed } = cross(
          state,
          compareNumbers(operator, ema, Number(level)),
          compareNumbers(operator, ema, Number(resetLevel)),
        )
        return { holds, seen: ema, state: { ema, count: (before?.count ?? 0) + 1, armed } }
      },
    }
  },
}

/** Armed: it has been on this side of the level since it last crossed it. The first value crosses nothing. */
function cross(
  state: State | undefined,
  isBeyond: boolean,
  isBeyondReset: boolean,
): { holds: boolean; armed: boolean } {
  if (state === undefined) return { holds: false, armed: !isBeyond }
  if (state.armed !== true) return { holds: false, armed: !isBeyondReset }
  return { holds: isBeyond, armed: !isBeyond }
}

function checkReset({ operator, value, config }: Condition): Problem[] {
  const { reset } = config
  if (typeof reset !== 'string' || typeof value !== 'string') return []
  const isBelow = operator === '<' || operator === '<='
  const difference = compareDecimals(reset, value)
  if (isBelow ? difference >= 0 : difference <= 0) return []
  const expected = `expected a number ${isBelow ? 'from the value up' : 'up to the value'}, which is ${value}`
  return [{ path: ['config', 'reset'], message: `${expected}; found ${reset}` }]
}
