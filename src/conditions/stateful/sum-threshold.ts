import { compileComparison } from '../compile-stateless.ts'
import { operatorOf, type StatefulDefinition } from './definition.ts'
import { canUse, compileNumber, numberFields, order } from './read-event.ts'
import { compileScope, scopeSetting } from './scope.ts'
import { tagSetting, windowSetting } from './settings.ts'
import { sumDecimals } from './sum-decimals.ts'
import { slide, truncation, windowMsOf } from './window.ts'

type Entry = readonly [at: number, value: string]

/** The exact sum of a number over a window. */
export const sumThreshold: StatefulDefinition = {
  fields: numberFields,
  operators: order,
  value: 'number',
  settings: { time_window: windowSetting, scope: scopeSetting, tag: tagSetting },
  uses: canUse,
  canHold: canUse,
  compile(condition, position) {
    const numberOf = compileNumber(condition)
    const compares = compileComparison(operatorOf(condition), String(condition.value))
    const windowMs = windowMsOf(condition.config.time_window)
    return {
      ...condition,
      position,
      last: false,
      scopeOf: compileScope(condition.config.scope),
      step(state, event) {
        const value = numberOf(event)
        if (value === undefined) return { holds: false, seen: null, state }
        const now = event.block_time.getTime()
        const before = state as { values: readonly Entry[]; sum: string } | undefined
        const added: Entry = [now, value]
        const {
          entries: values,
          removed,
          droppedAt,
        } = slide(before?.values ?? [], added, ([at]) => at, windowMs)
        const sum = sumDecimals(
          [before?.sum ?? '0', value],
          removed.map(([, gone]) => gone),
        )
        return {
          holds: compares(sum),
          seen: sum,
          state: { values, sum, ...truncation(state, droppedAt, now - windowMs) },
        }
      },
    }
  },
}
