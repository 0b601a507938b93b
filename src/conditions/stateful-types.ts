import type { ConditionType } from './condition-types.ts'
import { absence } from './stateful/absence.ts'
import { change } from './stateful/change.ts'
import type { StatefulDefinition } from './stateful/definition.ts'
import { distinctCount } from './stateful/distinct-count.ts'
import { emaThreshold } from './stateful/ema-threshold.ts'
import { rateLimit } from './stateful/rate-limit.ts'
import { sequence } from './stateful/sequence.ts'
import { sumThreshold } from './stateful/sum-threshold.ts'

/** The condition types that remember. */
export const statefulTypes = {
  ema_threshold: emaThreshold,
  distinct_count: distinctCount,
  sum_threshold: sumThreshold,
  change,
  sequence,
  absence,
  rate_limit: rateLimit,
} as const satisfies Partial<Record<ConditionType, StatefulDefinition>>

export type StatefulConditionType = keyof typeof statefulTypes

export function isStatefulType(name: string): name is StatefulConditionType {
  return Object.hasOwn(statefulTypes, name)
}
