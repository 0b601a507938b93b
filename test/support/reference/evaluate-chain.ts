import type { RegistryEvent } from '../../../src/event.ts'
import { expectedDeliveries, type ReferenceDelivery } from './expected-deliveries.ts'
import { ask, canUse, type Remembered, sameScope } from './stateful.ts'
import { decide, holds } from './stateless.ts'
import {
  type Chain,
  type ReferenceCondition,
  type ReferenceTrigger,
  scopeOf,
  spanOf,
  timeOf,
} from './trigger.ts'

export type ReferenceMatch = {
  kind: 'event' | 'absence' | 'digest'
  occurrence: string
  event_id: string
  /** Of the event that it names. */
  event_block: number
  /** What each condition that remembers saw, by its position. Of a digest: how many were held back. */
  seen: Record<string, unknown>
  /** Of a digest: the first events that were held back. */
  events?: string[]
}

export type ReferenceState = {
  position: number
  scope: string[]
  remembered: Remembered | RememberedLimit
}

/** What a limit remembers of one scope. */
export type RememberedLimit = {
  kind: 'limit'
  /** When the trigger fired, as of the last time that it did: what still counted then. */
  fires: number[]
  /** Held back and not told yet. */
  held: string[]
  heldInAll: number
  /** When the digest of these is due. */
  due: number | undefined
}

export type ReferenceResult = {
  matches: ReferenceMatch[]
  deliveries: ReferenceDelivery[]
  undecided: { event_id: string; error: string }[]
  /** What would have fired, had a limit not been in the way. */
  heldBack: { by: Limit['kind']; event_id: string; time: number }[]
  states: ReferenceState[]
}

type Limit = {
  kind: 'cooldown' | 'max_fires'
  count: number
  within: number
  scope: unknown
  digest: boolean
}

/** An event that reached the conditions that remember. */
type Decided = { event: RegistryEvent; othersHold: boolean; fired: boolean }

/** The trigger fired, or would have: for an event, or (absence) after it. */
type Fire = {
  event: RegistryEvent
  time: number
  by: Limit | undefined
  due: number | undefined
  told: boolean
}

/**
 * Reads a canonical chain from its beginning and says where a trigger ends: slowly, with nothing remembered but what has happened.
 * docs/engine.md is what it follows; the engine has to come to the same.
 */
export function evaluateChain(trigger: ReferenceTrigger, chain: Chain): ReferenceResult {
  const byKind = (type: string) => trigger.conditions.filter(({ condition_type }) => condition_type === type)
  const expressions = byKind('expression')
  const rates = byKind('rate_limit')
  const absences = byKind('absence')
  const others = trigger.conditions.filter((one) => remembers(one) && !rates.includes(one))
  const stateless = trigger.conditions.filter((one) => !remembers(one) && !expressions.includes(one))
  const limits = limitsOf(trigger)

  const decided: Decided[] = []
  const fires: Fire[] = []
  /** The last event of each absence that was noticed. */
  const noticed: RegistryEvent[] = []
  const matches: ReferenceMatch[] = []
  const undecided: ReferenceResult['undecided'] = []

  for (const event of chain.events) {
    passClock(timeOf(event))
    if (event.chain_id !== trigger.chain_id || event.registry !== trigger.registry) continue
    const isHistory =
      trigger.from_block === null
        ? event.block_time < trigger.active_since
        : event.block_number < trigger.from_block
    if (isHistory && !trigger.warm_up) continue
    if (!stateless.every((condition) => holds(condition, event))) continue
    const verdict = decideAll(expressions, event)
    if (typeof verdict === 'object') undecided.push({ event_id: event.id, error: verdict.error })
    if (verdict !== true) continue

    const seen: Record<string, unknown> = {}
    const one: Decided = { event, othersHold: false, fired: false }
    decided.push(one)
    const isMet = (condition: ReferenceCondition) => {
      if (!canUse(condition, event)) return false
      const answer = ask(condition, takenBy(condition, event))
      seen[condition.position] = answer.seen
      return answer.holds
    }
    // All of them are asked: an answer is what the evidence shows, too.
    one.othersHold = others.map(isMet).every(Boolean)
    const isFiring = one.othersHold && rates.map(isMet).every(Boolean)
    if (!isFiring || isHistory) continue
    if (!fire(event, timeOf(event))) continue
    one.fired = true
    matches.push({ kind: 'event', ...nameOf(event, ''), seen })
  }
  if (chain.head.time !== undefined) passClock(chain.head.time)

  return {
    matches,
    deliveries: expectedDeliveries(trigger, chain, matches),
    undecided,
    heldBack: fires.flatMap(({ by, event, time }) => (by ? [{ by: by.kind, event_id: event.id, time }] : [])),
    states: [...conditionStates(), ...limitStates()],
  }

  /** The events that a condition has taken into the state that this event concerns, the event itself last. */
  function takenBy(condition: ReferenceCondition, event: RegistryEvent): RegistryEvent[] {
    const ofScope = decided.filter((one) => sameScope(condition, one.event, event))
    const isRate = condition.condition_type === 'rate_limit'
    const resets = isRate && condition.config?.reset_on_trigger !== false
    const since = resets ? ofScope.findLastIndex(({ fired }) => fired) + 1 : 0
    return ofScope
      .slice(since)
      .filter((one) => canUse(condition, one.event) && (!isRate || one.othersHold))
      .map((one) => one.event)
  }

  /** Everything that is due before a time, in the order of the deadlines. */
  function passClock(now: number): void {
    for (;;) {
      const [next] = deadlines()
        .filter(({ at }) => at < now)
        .toSorted((a, b) => a.at - b.at || a.position - b.position || (a.scope < b.scope ? -1 : 1))
      if (next === undefined) return
      next.pass()
    }
  }

  function deadlines(): { at: number; position: number; scope: string; pass(): void }[] {
    const ofAbsences = absences.flatMap((condition) =>
      lastOfEachScope(condition).map((event) => ({
        at: timeOf(event) + spanOf(condition.config?.time_window),
        position: condition.position,
        scope: scopeText(scopeOf(condition.config?.scope, event)),
        pass: () => noticeAbsence(condition, event),
      })),
    )
    const ofDigests = limits.flatMap((limit) =>
      untold(limit).map(({ at, scope, held }) => ({
        at,
        position: ownPosition(limit),
        scope: scopeText(scope),
        pass: () => tellHeldBack(limit, held),
      })),
    )
    return [...ofAbsences, ...ofDigests]
  }

  /** Of each scope of an absence the event that was last seen, if its absence was not noticed yet. */
  function lastOfEachScope(condition: ReferenceCondition): RegistryEvent[] {
    const seen = decided.map(({ event }) => event).filter((event) => canUse(condition, event))
    return seen.filter(
      (event, index) =>
        !seen.slice(index + 1).some((later) => sameScope(condition, later, event)) &&
        !noticed.includes(event),
    )
  }

  function noticeAbsence(condition: ReferenceCondition, event: RegistryEvent): void {
    noticed.push(event)
    const span = spanOf(condition.config?.time_window)
    const deadline = timeOf(event) + span
    const isHistory =
      trigger.from_block === null
        ? deadline < trigger.active_since.getTime()
        : event.block_number < trigger.from_block
    if (isHistory || !fire(event, deadline)) return
    matches.push({
      kind: 'absence',
      ...nameOf(event, '#absence'),
      seen: { [condition.position]: span / 1000 },
    })
  }

  /** Whether the trigger may fire now: not if that follows too closely on what it did before. */
  function fire(event: RegistryEvent, time: number): boolean {
    const by = limits.find((limit) => firesOf(limit, event, time).length >= limit.count)
    const oldest = by && firesOf(by, event, time).at(-by.count)
    const due = by?.digest && oldest !== undefined ? oldest.time + by.within : undefined
    fires.push({ event, time, by, due, told: false })
    return by === undefined
  }

  /** What fired within the limit's time before `time`, in the scope of an event. */
  function firesOf(limit: Limit, event: RegistryEvent, time: number): Fire[] {
    return fires.filter(
      (one) => one.by === undefined && isSameScope(limit, one.event, event) && one.time > time - limit.within,
    )
  }

  /** Of each scope of a limit what was held back and not told: due when the period ends that held back the first of it. */
  function untold(limit: Limit): { at: number; scope: string[]; held: Fire[] }[] {
    const held = fires.filter((one) => one.by === limit && one.due !== undefined && !one.told)
    const firsts = held.filter(
      (one, index) => !held.slice(0, index).some((before) => isSameScope(limit, before.event, one.event)),
    )
    return firsts.map((first) => ({
      at: first.due ?? 0,
      scope: scopeOf(limit.scope, first.event),
      held: held.filter((one) => isSameScope(limit, one.event, first.event)),
    }))
  }

  function tellHeldBack(limit: Limit, held: Fire[]): void {
    for (const one of held) one.told = true
    const last = held.at(-1)
    if (last === undefined) return
    matches.push({
      kind: 'digest',
      ...nameOf(last.event, '#digest'),
      seen: { [ownPosition(limit)]: held.length },
      events: held.slice(0, 20).map(({ event }) => event.id),
    })
  }

  function conditionStates(): ReferenceState[] {
    return trigger.conditions.filter(remembers).flatMap((condition) => {
      const { position } = condition
      const isAbsence = condition.condition_type === 'absence'
      const armed = isAbsence ? lastOfEachScope(condition) : []
      return firstOfEachScope(condition).flatMap((event): ReferenceState[] => {
        if (isAbsence && !armed.some((last) => sameScope(condition, last, event))) return []
        const { remembered } = ask(condition, takenBy(condition, event))
        return remembered === undefined
          ? []
          : [{ position, scope: scopeOf(condition.config?.scope, event), remembered }]
      })
    })
  }

  function firstOfEachScope(condition: ReferenceCondition): RegistryEvent[] {
    const events = decided.map(({ event }) => event)
    return events.filter(
      (event, index) => !events.slice(0, index).some((before) => sameScope(condition, before, event)),
    )
  }

  function limitStates(): ReferenceState[] {
    return limits.flatMap((limit) => {
      const firsts = fires.filter(
        ({ event }, index) =>
          !fires.slice(0, index).some((before) => isSameScope(limit, before.event, event)),
      )
      return firsts.flatMap(({ event }): ReferenceState[] => {
        const ofScope = fires.filter((one) => isSameScope(limit, one.event, event))
        const fired = ofScope.filter(({ by }) => by === undefined)
        const held = ofScope.filter((one) => one.by === limit)
        if (fired.length === 0 && held.length === 0) return []
        const last = fired.at(-1)?.time ?? 0
        const waiting = untold(limit).find(
          ({ held: [first] }) => first && isSameScope(limit, first.event, event),
        )
        const remembered: RememberedLimit = {
          kind: 'limit',
          fires: fired.map(({ time }) => time).filter((time) => time > last - limit.within),
          held: held.filter(({ told }) => !told).map((one) => one.event.id),
          heldInAll: held.length,
          due: waiting?.at,
        }
        return [{ position: ownPosition(limit), scope: scopeOf(limit.scope, event), remembered }]
      })
    })
  }
}

function decideAll(
  expressions: readonly ReferenceCondition[],
  event: RegistryEvent,
): boolean | { error: string } {
  for (const { value } of expressions) {
    const verdict = decide(String(value), event)
    if (verdict !== true) return verdict
  }
  return true
}

function remembers({ condition_type }: ReferenceCondition): boolean {
  return [
    'ema_threshold',
    'distinct_count',
    'sum_threshold',
    'change',
    'sequence',
    'absence',
    'rate_limit',
  ].includes(condition_type)
}

function limitsOf({ cooldown, max_fires }: ReferenceTrigger): Limit[] {
  const limits: Limit[] = []
  if (cooldown !== null) {
    const { period, scope, digest } = cooldown
    limits.push({ kind: 'cooldown', count: 1, within: spanOf(period), scope, digest })
  }
  if (max_fires !== null) {
    const { count, within, scope, digest } = max_fires
    const isEndless = within === null
    limits.push({
      kind: 'max_fires',
      count,
      within: isEndless ? Number.POSITIVE_INFINITY : spanOf(within),
      scope,
      // What never ends has no end at which to tell.
      digest: digest && !isEndless,
    })
  }
  return limits
}

function ownPosition({ kind }: Limit): number {
  return kind === 'cooldown' ? -1 : -2
}

function isSameScope({ scope }: Limit, a: RegistryEvent, b: RegistryEvent): boolean {
  return scopeText(scopeOf(scope, a)) === scopeText(scopeOf(scope, b))
}

/** As the engine names a scope in what it stores. */
export function scopeText(scope: readonly string[]): string {
  return scope.length > 1 ? JSON.stringify(scope) : (scope[0] ?? '')
}

function nameOf(event: RegistryEvent, suffix: string) {
  return {
    occurrence: `${event.occurrence}${suffix}`,
    event_id: event.id,
    event_block: event.block_number,
  }
}
