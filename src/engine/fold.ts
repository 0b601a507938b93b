import { Heap } from 'heap-js'
import type {
  Anchor,
  CompiledCondition,
  CompiledContent,
  CompiledLimit,
  CompiledStateful,
  CompiledTrigger,
  FileVerdict,
  State,
  StepOutcome,
} from '../conditions/compiled-trigger.ts'
import type { RegistryEvent } from '../event.ts'
import type { Evidence } from './evidence.ts'
import { allows, noteFire, noteHeldBack, takeDigest } from './hold-back.ts'
import { type Memory, ownPositions, type Slot } from './memory.ts'

/** An event whose stateless conditions hold for a trigger, or (`error`) about which one of them could not decide. */
export type Hit = {
  trigger: CompiledTrigger
  event: RegistryEvent
  /** Whether the trigger may fire for it. Otherwise it is history that only builds its state. */
  mayFire: boolean
  error?: string | undefined
}

/** The decision that a trigger fires. */
export type FoldedMatch = {
  trigger: CompiledTrigger
  kind: 'event' | 'absence' | 'digest'
  occurrence: string
  event_id: string
  /** The block that decided it. */
  block_number: number
  /** Of the event that it names, ms. */
  block_time: number
  evidence: readonly Evidence[]
}

export type Decision =
  | { outcome: 'fired' | 'not fired' | 'only remembered'; evidence: readonly Evidence[] }
  | { outcome: 'held back'; by: CompiledLimit['kind']; evidence: readonly Evidence[] }
  | { outcome: 'undecided'; reason: string; evidence: readonly Evidence[] }
  /** The file that the event names is not there yet. */
  | { outcome: 'waiting'; evidence: readonly Evidence[] }

export type FoldOptions = {
  memory: Memory
  /** The verdict on the file that an event names; `undefined`: it is not there yet. Asked only for triggers that read files. */
  fileOf(event: RegistryEvent): FileVerdict | undefined
  /** Slots whose time to be woken has come by `clock`, beside those that the fold itself sets. They are in the memory. */
  due: readonly Slot[]
  /** The trigger of a slot; `undefined`: it is gone, or its generation is. */
  triggerOf(slot: Slot): CompiledTrigger | undefined
  /** Deadlines before this block time (ms) have passed when all hits are folded, and which block says so. */
  end: { clock: number; block_number: number }
  /** Called with every decision on a hit, in order. */
  onDecision?: ((hit: Hit, decision: Decision) => void) | undefined
  /** Gather the evidence of decisions that fire nothing, too: it takes as long as the rest of the fold. */
  explain?: boolean | undefined
}

export type Folded = {
  matches: FoldedMatch[]
  undecided: (Hit & { error: string })[]
  /** Triggers that wait for a file, by id, with the first event that they wait for. Nothing after it was folded for them. */
  waiting: Map<string, Hit>
  /** Slots that got a time to be woken at which the clock has not passed yet. */
  later: Slot[]
}

/**
 * Folds hits, which are in chain order, over the memory: what fires, and what is remembered afterwards. Between two events the
 * clock wakes what is due. Pure but for the memory, which is changed.
 */
export function foldHits(hits: readonly Hit[], options: FoldOptions): Folded {
  const { memory, end } = options
  const folded: Folded = { matches: [], undecided: [], waiting: new Map(), later: [] }
  const wakes = new Heap<Slot>(byTime)
  for (const slot of options.due) wakes.push(slot)
  memory.onWake((slot) => {
    if (slot.wakeAt === undefined) return
    if (slot.wakeAt < end.clock) wakes.push(slot)
    else folded.later.push(slot)
  })

  for (const hit of hits) {
    const time = hit.event.block_time.getTime()
    wakeUntil(time, hit.event.block_number)
    if (folded.waiting.has(hit.trigger.id)) continue
    const decision = decide(hit, options, folded)
    if (decision.outcome === 'waiting') folded.waiting.set(hit.trigger.id, hit)
    options.onDecision?.(hit, decision)
  }
  wakeUntil(end.clock, end.block_number)
  memory.onWake(undefined)
  return folded

  function wakeUntil(clock: number, blockNumber: number): void {
    for (let next = wakes.peek(); next?.wakeAt !== undefined && next.wakeAt < clock; next = wakes.peek()) {
      wakes.pop()
      const trigger = options.triggerOf(next)
      if (trigger === undefined) {
        memory.change({ ...next, state: undefined, wakeAt: undefined }, blockNumber)
        continue
      }
      if (folded.waiting.has(trigger.id)) continue
      // What it was set for may have changed since.
      const slot = memory.get(trigger, next.position, next.scope)
      if (slot.wakeAt === next.wakeAt) wake(trigger, slot, blockNumber, memory, folded)
    }
  }
}

function decide(hit: Hit, options: FoldOptions, folded: Folded): Decision {
  const { trigger, event } = hit
  if (hit.error !== undefined) {
    folded.undecided.push({ ...hit, error: hit.error })
    return { outcome: 'undecided', reason: hit.error, evidence: statelessEvidence(hit, undefined) }
  }
  const explain = options.explain === true
  const isPlain = trigger.stateful.length === 0 && trigger.limits.length === 0 && !trigger.readsFiles
  if (isPlain) {
    const evidence = hit.mayFire || explain ? statelessEvidence(hit, undefined) : none
    if (hit.mayFire) folded.matches.push(matchOf(hit, evidence))
    return { outcome: hit.mayFire ? 'fired' : 'only remembered', evidence }
  }

  const file = trigger.readsFiles ? options.fileOf(event) : undefined
  if (trigger.readsFiles && file === undefined) return { outcome: 'waiting', evidence: none }
  if (file !== undefined && !trigger.content.every((condition) => condition.test(event, file).holds)) {
    return { outcome: 'not fired', evidence: explain ? statelessEvidence(hit, file) : none }
  }

  const { hold, steps } = stepAll(hit, file, options.memory)
  // Most events end here, and nobody asks why.
  if (!hold && !explain) return notFired
  const evidence = explain || hit.mayFire ? allEvidence(hit, file, steps) : none
  if (!hold) return { outcome: 'not fired', evidence }
  if (!hit.mayFire) return { outcome: 'only remembered', evidence }

  const scopes = trigger.limits.map((limit) => limit.scopeOf(event))
  const anchor = anchorOf(event)
  const by = holdBack(trigger, scopes, anchor, anchor.block_time, event.block_number, options.memory)
  if (by !== undefined) return { outcome: 'held back', by, evidence: explain ? evidence : none }
  for (const condition of trigger.stateful) {
    if (condition.afterFire === undefined) continue
    const slot = options.memory.get(trigger, condition.position, condition.scopeOf(event))
    const state = condition.afterFire(slot.state)
    if (state !== slot.state) options.memory.change({ ...slot, state }, event.block_number)
  }
  folded.matches.push(matchOf(hit, evidence))
  return { outcome: 'fired', evidence }
}

const none: readonly Evidence[] = Object.freeze([])
const notFired: Decision = Object.freeze({ outcome: 'not fired', evidence: none })

/** One stateful condition that has taken an event, with what it remembered before. */
type Step = { condition: CompiledStateful; slot: Slot; outcome: StepOutcome }

/** Lets every stateful condition take the event. Those that count what the others let through come last, and only if they did. */
function stepAll(
  { trigger, event }: Hit,
  file: FileVerdict | undefined,
  memory: Memory,
): { hold: boolean; steps: readonly Step[] } {
  const steps: Step[] = []
  let othersHold = true
  let lastHold = true
  for (const condition of trigger.stateful) {
    if (condition.last && !othersHold) break
    const slot = memory.get(trigger, condition.position, condition.scopeOf(event))
    const outcome = condition.step(slot.state, event, file)
    const { holds, state, wakeAt } = outcome
    if (state !== slot.state || wakeAt !== slot.wakeAt) {
      const { trigger_id, generation, position, scope } = slot
      // Written out, as below: spreading took a third of the fold.
      memory.change(
        {
          trigger_id,
          generation,
          position,
          scope,
          state: withLimitScopes(trigger, condition, event, state),
          wakeAt,
        },
        event.block_number,
      )
    }
    steps.push({ condition, slot, outcome })
    if (condition.last) lastHold &&= holds
    else othersHold &&= holds
  }
  return { hold: othersHold && lastHold, steps }
}

function allEvidence(hit: Hit, file: FileVerdict | undefined, steps: readonly Step[]): Evidence[] {
  return [...statelessEvidence(hit, file), ...steps.map(stepEvidence)].sort((a, b) => a.position - b.position)
}

function stepEvidence({ condition, slot, outcome }: Step): Evidence {
  const { position, condition_type, field, operator, value, config } = condition
  return {
    position,
    condition_type,
    field,
    operator,
    value,
    config,
    scope: slot.scope,
    seen: outcome.seen,
    holds: outcome.holds,
    state_before: slot.state,
    state: outcome.state,
  }
}

/** What wakes later has no event to ask for the scopes of the trigger's limits. */
function withLimitScopes(
  trigger: CompiledTrigger,
  condition: CompiledStateful,
  event: RegistryEvent,
  state: State | undefined,
): State | undefined {
  if (condition.wake === undefined || trigger.limits.length === 0 || state === undefined) return state
  return { ...state, limit_scopes: trigger.limits.map((limit) => limit.scopeOf(event)) }
}

/**
 * Notes a match with the limits of the trigger: which one holds it back, if one does.
 *
 * @param time when it fires, ms: of the event, or the deadline.
 */
function holdBack(
  trigger: CompiledTrigger,
  scopes: readonly string[],
  anchor: Anchor,
  time: number,
  blockNumber: number,
  memory: Memory,
): CompiledLimit['kind'] | undefined {
  const slots = trigger.limits.map((limit, index) => ({
    limit,
    slot: memory.get(trigger, ownPositions[limit.kind], scopes[index] ?? ''),
  }))
  const holding = slots.find(({ limit, slot }) => !allows(limit, slot.state, time))
  if (holding !== undefined) {
    const held = noteHeldBack(holding.limit, holding.slot, anchor)
    memory.change({ ...holding.slot, ...held }, blockNumber)
    return holding.limit.kind
  }
  for (const { limit, slot } of slots) {
    memory.change({ ...slot, state: noteFire(limit, slot.state, time) }, blockNumber)
  }
  return undefined
}

function wake(
  trigger: CompiledTrigger,
  slot: Slot,
  blockNumber: number,
  memory: Memory,
  folded: Folded,
): void {
  const deadline = slot.wakeAt ?? 0
  const limit = trigger.limits.find(({ kind }) => ownPositions[kind] === slot.position)
  if (limit !== undefined) {
    const { state, digest } = takeDigest(slot.state)
    memory.change({ ...slot, state, wakeAt: undefined }, blockNumber)
    if (digest === undefined) return
    const { anchor, held, ...rest } = digest
    folded.matches.push({
      ...anchoredMatch(trigger, 'digest', anchor, blockNumber),
      evidence: [
        {
          position: slot.position,
          condition_type: limit.kind,
          field: null,
          operator: null,
          value: null,
          config: {},
          scope: slot.scope,
          seen: String(held),
          holds: true,
          held_back: { count: held, ...rest },
        },
      ],
    })
    return
  }

  const condition = trigger.stateful.find(({ position }) => position === slot.position)
  if (condition?.wake === undefined || slot.state === undefined) {
    memory.change({ ...slot, wakeAt: undefined }, blockNumber)
    return
  }
  const outcome = condition.wake(slot.state, deadline)
  const scopes = slot.state.limit_scopes
  const keepsScopes = scopes !== undefined && outcome.state !== undefined
  memory.change(
    {
      ...slot,
      state: keepsScopes ? { ...outcome.state, limit_scopes: scopes } : outcome.state,
      wakeAt: outcome.wakeAt,
    },
    blockNumber,
  )
  const { anchor } = outcome
  if (!outcome.holds || anchor === undefined || !mayFireAt(trigger, anchor, deadline)) return
  const scopeTexts = Array.isArray(scopes) ? scopes.map(String) : []
  if (holdBack(trigger, scopeTexts, anchor, deadline, blockNumber, memory) !== undefined) return
  const { seen, state } = outcome
  folded.matches.push({
    ...anchoredMatch(trigger, 'absence', anchor, blockNumber),
    evidence: [
      { ...shown(condition), scope: slot.scope, seen, holds: true, state_before: slot.state, state },
    ],
  })
}

type AnyCondition = CompiledCondition | CompiledContent | CompiledStateful

/** Whether a trigger may fire for an event, or it is history to it. */
export function mayFireFor(trigger: CompiledTrigger, event: RegistryEvent): boolean {
  return trigger.from_block === undefined
    ? event.block_time >= trigger.active_since
    : event.block_number >= trigger.from_block
}

function mayFireAt(trigger: CompiledTrigger, anchor: Anchor, deadline: number): boolean {
  return trigger.from_block === undefined
    ? deadline >= trigger.active_since.getTime()
    : anchor.block_number >= trigger.from_block
}

function matchOf({ trigger, event }: Hit, evidence: readonly Evidence[]): FoldedMatch {
  const { event_id, occurrence, block_number, block_time } = anchorOf(event)
  return { trigger, kind: 'event', occurrence, event_id, block_number, block_time, evidence }
}

/** An event that is named by more than one match of its trigger names each by a occurrence of its own. */
function anchoredMatch(
  trigger: CompiledTrigger,
  kind: 'absence' | 'digest',
  anchor: Anchor,
  block_number: number,
): Omit<FoldedMatch, 'evidence'> {
  const { event_id, occurrence, block_time } = anchor
  return { trigger, kind, occurrence: `${occurrence}#${kind}`, event_id, block_number, block_time }
}

function anchorOf({ id, occurrence, block_number, block_time }: RegistryEvent): Anchor {
  return { event_id: id, occurrence, block_number, block_time: block_time.getTime() }
}

function statelessEvidence({ trigger, event, error }: Hit, file: FileVerdict | undefined): Evidence[] {
  const stateless = trigger.conditions.map((condition): Evidence => {
    const seen = condition.seen(event)
    // After an error the rest was not asked.
    const holds = error === undefined ? true : holdsQuietly(condition.holds, event)
    return { ...shown(condition), seen, holds }
  })
  if (file === undefined) return stateless
  const content = trigger.content.map((condition) => ({
    ...shown(condition),
    ...condition.test(event, file),
  }))
  return [...stateless, ...content].sort((a, b) => a.position - b.position)
}

function holdsQuietly(holds: (event: RegistryEvent) => boolean, event: RegistryEvent): boolean {
  try {
    return holds(event)
  } catch {
    return false
  }
}

function shown({ position, condition_type, field, operator, value, config }: AnyCondition) {
  return { position, condition_type, field, operator, value, config }
}

function byTime(a: Slot, b: Slot): number {
  return (
    (a.wakeAt ?? 0) - (b.wakeAt ?? 0) ||
    compareTexts(a.trigger_id, b.trigger_id) ||
    a.position - b.position ||
    compareTexts(a.scope, b.scope)
  )
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
