import type { Anchor } from '../compiled-trigger.ts'
import type { StatefulDefinition } from './definition.ts'
import { canUse, compileTag } from './read-event.ts'
import { compileScope, scopeSetting } from './scope.ts'
import { tagSetting, windowSetting } from './settings.ts'
import { windowMsOf } from './window.ts'

/** For a time after an event there was no other. Never holds for an event: the clock makes it fire. */
export const absence: StatefulDefinition = {
  fields: [],
  operators: [],
  value: 'none',
  settings: { time_window: windowSetting, scope: scopeSetting, tag: tagSetting },
  uses: canUse,
  canHold: canUse,
  compile(condition, position) {
    const isUsed = compileTag(condition)
    const windowMs = windowMsOf(condition.config.time_window)
    return {
      ...condition,
      position,
      last: false,
      scopeOf: compileScope(condition.config.scope),
      step(state, event) {
        if (!isUsed(event)) return { holds: false, seen: null, state, wakeAt: wakeAtOf(state, windowMs) }
        const block_time = event.block_time.getTime()
        const anchor: Anchor = {
          event_id: event.id,
          occurrence: event.occurrence,
          block_number: event.block_number,
          block_time,
        }
        return { holds: false, seen: null, state: anchor, wakeAt: block_time + windowMs }
      },
      wake(state, now) {
        const { event_id, occurrence, block_number, block_time } = state as unknown as Anchor
        const anchor: Anchor = { event_id, occurrence, block_number, block_time }
        return { holds: true, seen: (now - block_time) / 1000, state: undefined, anchor }
      },
    }
  },
}

function wakeAtOf(state: unknown, windowMs: number): number | undefined {
  return state === undefined ? undefined : (state as Anchor).block_time + windowMs
}
