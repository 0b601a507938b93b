import { compileComparison } from '../compile-stateless.ts'
import { operatorOf, type StatefulDefinition } from './definition.ts'
import { canUse, compileTag, type order } from './read-event.ts'
import { compileScope, scopeSetting } from './scope.ts'
import { flagSetting, tagSetting, windowSetting } from './settings.ts'
import { slide, truncation, windowMsOf } from './window.ts'

/** So many events in a window, of those for which the trigger's other conditions hold. */
export const rateLimit: StatefulDefinition = {
  fields: [],
  operators: ['>=', '>', '<', '<=', '=', '!='] satisfies (typeof order)[number][],
  defaultOperator: '>=',
  value: 'count',
  settings: {
    time_window: windowSetting,
    reset_on_trigger: flagSetting(true),
    scope: scopeSetting,
    tag: tagSetting,
  },
  uses: canUse,
  canHold: canUse,
  compile(condition, position) {
    const compares = compileComparison(operatorOf(condition), String(condition.value))
    const isUsed = compileTag(condition)
    const windowMs = windowMsOf(condition.config.time_window)
    return {
      ...condition,
      position,
      last: true,
      scopeOf: compileScope(condition.config.scope),
      step(state, event) {
        if (!isUsed(event)) return { holds: false, seen: null, state }
        const now = event.block_time.getTime()
        const before = (state as { times: readonly number[] } | undefined)?.times ?? []
        const { entries: times, droppedAt } = slide(before, now, (time) => time, windowMs)
        return {
          holds: compares(String(times.length)),
          seen: times.length,
          state: { times, ...truncation(state, droppedAt, now - windowMs) },
        }
      },
      ...(condition.config.reset_on_trigger === true ? { afterFire: () => undefined } : {}),
    }
  },
}
