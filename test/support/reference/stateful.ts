import type { RegistryEvent } from '../../../src/event.ts'
import { add, compare, type Exact, exact, says, show } from './exact.ts'
import { holds } from './stateless.ts'
import { type ReferenceCondition, scopeOf, spanOf, timeOf } from './trigger.ts'

/** How many entries a window remembers. */
export const entriesMax = 1000

/** What a condition remembers of one scope, in the words of docs/engine.md. */
export type Remembered =
  | { kind: 'average'; average: number; count: number; armed?: boolean }
  | { kind: 'times'; times: number[]; truncated: boolean }
  | { kind: 'values'; lastTimes: [value: string, time: number][]; truncated: boolean }
  | { kind: 'sum'; entries: [time: number, value: string][]; sum: string; truncated: boolean }
  | { kind: 'side'; armed: boolean }
  | { kind: 'first'; time: number; event_id: string }
  | { kind: 'last'; event_id: string; time: number }

export type Answer = { holds: boolean; seen: unknown; remembered: Remembered | undefined }

/** Whether a condition can use an event at all. */
export function canUse({ field, config = {} }: ReferenceCondition, event: RegistryEvent): boolean {
  if (config.tag !== undefined && config.tag !== null && (event.tag1 ?? event.tag) !== config.tag)
    return false
  return field === null || field === undefined || event[field as keyof RegistryEvent] !== null
}

/**
 * What a condition says of the last of the events that it took, all of one scope: an event that is no longer in a window is
 * here, too. Everything is worked out from the whole list.
 */
export function ask(condition: ReferenceCondition, taken: readonly RegistryEvent[]): Answer {
  const event = taken.at(-1)
  if (event === undefined) return { holds: false, seen: null, remembered: undefined }
  switch (condition.condition_type) {
    case 'ema_threshold':
      return askAverage(condition, taken)
    case 'rate_limit':
      return askRate(condition, taken, event)
    case 'distinct_count':
      return askDistinct(condition, taken, event)
    case 'sum_threshold':
      return askSum(condition, taken, event)
    case 'change':
      return askChange(condition, taken)
    case 'sequence':
      return askSequence(condition, taken)
    case 'absence':
      return {
        holds: false,
        seen: null,
        remembered: { kind: 'last', event_id: event.id, time: timeOf(event) },
      }
    default:
      throw new Error(`${condition.condition_type} remembers nothing`)
  }
}

export function sameScope(condition: ReferenceCondition, a: RegistryEvent, b: RegistryEvent): boolean {
  const { scope } = condition.config ?? {}
  return JSON.stringify(scopeOf(scope, a)) === JSON.stringify(scopeOf(scope, b))
}

function askAverage(condition: ReferenceCondition, taken: readonly RegistryEvent[]): Answer {
  const average = averageOf(condition, taken)
  const count = taken.length
  const isEnough = count >= Number(condition.config?.min_count ?? 1)
  return {
    holds: isEnough && says(operatorOf(condition), compareDoubles(average, Number(condition.value))),
    seen: average,
    remembered: { kind: 'average', average, count },
  }
}

function askRate(
  condition: ReferenceCondition,
  taken: readonly RegistryEvent[],
  event: RegistryEvent,
): Answer {
  const all = inWindow(condition, taken, event).map(timeOf)
  const times = all.slice(-entriesMax)
  return {
    holds: saysCount(condition, times.length),
    seen: times.length,
    remembered: { kind: 'times', times, truncated: all.length > entriesMax },
  }
}

function askDistinct(
  condition: ReferenceCondition,
  taken: readonly RegistryEvent[],
  event: RegistryEvent,
): Answer {
  const within = inWindow(condition, taken, event).map((one): [string, number] => [
    String(one[condition.field as keyof RegistryEvent]),
    timeOf(one),
  ])
  const all = within.filter(([value], index) => within.findLastIndex(([other]) => other === value) === index)
  const lastTimes = all.slice(-entriesMax)
  return {
    holds: saysCount(condition, lastTimes.length),
    seen: lastTimes.length,
    remembered: { kind: 'values', lastTimes, truncated: all.length > entriesMax },
  }
}

function askSum(
  condition: ReferenceCondition,
  taken: readonly RegistryEvent[],
  event: RegistryEvent,
): Answer {
  const all = inWindow(condition, taken, event)
  const kept = all.slice(-entriesMax)
  const sum = kept.map((one) => numberOf(condition, one)).reduce(add, { units: 0n, decimals: 0 })
  return {
    holds: says(operatorOf(condition), compare(sum, exactValue(condition.value))),
    seen: show(sum),
    remembered: {
      kind: 'sum',
      entries: kept.map((one) => [timeOf(one), show(numberOf(condition, one))]),
      sum: show(sum),
      truncated: all.length > entriesMax,
    },
  }
}

/** Armed: it has not been beyond the level since it was last back beyond `reset`. */
function askChange(condition: ReferenceCondition, taken: readonly RegistryEvent[]): Answer {
  const { config = {}, value } = condition
  const operator = operatorOf(condition)
  const isAverage = typeof config.alpha === 'number' || typeof config.window_size === 'number'
  const isBeyond = (index: number, level: unknown) => {
    const upTo = taken.slice(0, index + 1)
    const last = upTo.at(-1)
    if (last === undefined) throw new Error('A list that is not empty has a last one')
    const comparison = isAverage
      ? compareDoubles(averageOf(condition, upTo), Number(level))
      : compare(numberOf(condition, last), exactValue(level))
    return says(operator, comparison)
  }
  let armed = true
  let crossed = false
  for (const index of taken.keys()) {
    const wasArmed = armed
    if (!armed) armed = !isBeyond(index, config.reset ?? value)
    // The first value is on a side, and has crossed nothing.
    crossed = wasArmed && index > 0 && isBeyond(index, value)
    if (isBeyond(index, value)) armed = false
  }
  const last = taken.at(-1)
  if (isAverage) {
    const average = averageOf(condition, taken)
    const remembered = { kind: 'average' as const, average, count: taken.length, armed }
    return { holds: crossed, seen: average, remembered }
  }
  const seen = last === undefined ? null : show(numberOf(condition, last))
  return { holds: crossed, seen, remembered: { kind: 'side', armed } }
}

function askSequence({ config = {} }: ReferenceCondition, taken: readonly RegistryEvent[]): Answer {
  const meets = (step: unknown, event: RegistryEvent) =>
    (step as ReferenceCondition[]).every((condition) => holds(condition, event))
  let first: RegistryEvent | undefined
  let answer = { holds: false, seen: null as number | null }
  for (const event of taken) {
    answer = { holds: false, seen: null }
    if (first !== undefined && meets(config.then, event)) {
      const passed = timeOf(event) - timeOf(first)
      answer = { holds: passed <= spanOf(config.within), seen: passed / 1000 }
      if (answer.holds) first = undefined
    }
    if (meets(config.first, event)) first = event
  }
  return { ...answer, remembered: first && { kind: 'first', time: timeOf(first), event_id: first.id } }
}

/** Those of the events that the window holds at the time of the last one. */
function inWindow(
  { config = {} }: ReferenceCondition,
  taken: readonly RegistryEvent[],
  event: RegistryEvent,
): RegistryEvent[] {
  return taken.filter((one) => timeOf(one) > timeOf(event) - spanOf(config.time_window))
}

function averageOf(condition: ReferenceCondition, taken: readonly RegistryEvent[]): number {
  const { alpha, window_size } = condition.config ?? {}
  const weight = typeof alpha === 'number' ? alpha : 2 / (Number(window_size) + 1)
  const [first = Number.NaN, ...rest] = taken.map((event) => Number(show(numberOf(condition, event))))
  return rest.reduce((average, value) => average + weight * (value - average), first)
}

function numberOf({ field }: ReferenceCondition, event: RegistryEvent): Exact {
  return exactValue(event[field as keyof RegistryEvent])
}

function exactValue(value: unknown): Exact {
  const read = exact(String(value))
  if (read === undefined) throw new Error(`${value} is no number`)
  return read
}

function operatorOf({ operator }: ReferenceCondition): string {
  return operator ?? '>='
}

function saysCount(condition: ReferenceCondition, count: number): boolean {
  return says(operatorOf(condition), count - Number(condition.value))
}

function compareDoubles(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}
