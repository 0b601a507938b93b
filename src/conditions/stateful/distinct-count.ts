import { compileComparison } from '../compile-stateless.ts'
import { fieldOf, operatorOf, type StatefulDefinition } from './definition.ts'
import { canUse, compileTag } from './read-event.ts'
import { compileScope, scopeSetting } from './scope.ts'
import { tagSetting, windowSetting } from './settings.ts'
import { shortKey } from './short-key.ts'
import { slide, truncation, windowMsOf } from './window.ts'

type Entry = readonly [value: string, lastAt: number]

/** So many different values in a window, such as clients. */
export const distinctCount: StatefulDefinition = {
  fields: [
    'client_address',
    'validator_address',
    'owner',
    'previous_owner',
    'updated_by',
    'responder',
    'tag1',
    'tag2',
    'tag',
    'agent_id',
  ],
  operators: ['>=', '>', '<', '<=', '=', '!='],
  defaultOperator: '>=',
  value: 'count',
  settings: { time_window: windowSetting, scope: scopeSetting, tag: tagSetting },
  uses: canUse,
  canHold: canUse,
  compile(condition, position) {
    const field = fieldOf(condition)
    const compares = compileComparison(operatorOf(condition), String(condition.value))
    const isUsed = compileTag(condition)
    const windowMs = windowMsOf(condition.config.time_window)
    return {
      ...condition,
      position,
      last: false,
      scopeOf: compileScope(condition.config.scope),
      step(state, event) {
        const given = event[field]
        if (given === null || !isUsed(event)) return { holds: false, seen: null, state }
        const value = shortKey(String(given))
        const now = event.block_time.getTime()
        const before = (state as { values: readonly Entry[] } | undefined)?.values ?? []
        // A value that comes again moves to the end: entries stay in the order of their times.
        const isNew = before.every(([other]) => other !== value)
        const others = isNew ? before : before.filter(([other]) => other !== value)
        const added: Entry = [value, now]
        const { entries: values, droppedAt } = slide(others, added, ([, lastAt]) => lastAt, windowMs)
        return {
          holds: compares(String(values.length)),
          seen: values.length,
          state: { values, ...truncation(state, droppedAt, now - windowMs) },
        }
      },
    }
  },
}
