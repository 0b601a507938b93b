import { compileTrigger } from './conditions/compile-trigger.ts'
import type { CompiledTrigger, State } from './conditions/compiled-trigger.ts'
import { evaluateTrigger } from './conditions/evaluate-trigger.ts'
import type { Queryable } from './db.ts'
import type { Evidence } from './engine/evidence.ts'
import { type Decision, foldHits } from './engine/fold.ts'
import { createMemory, type Memory, ownPositions } from './engine/memory.ts'
import { type Position, replay } from './engine/replay.ts'
import { selectHits } from './engine/select-hits.ts'
import { describeError, UserError } from './errors.ts'
import type { RegistryEvent } from './event.ts'
import {
  readEventStanding,
  readMatchesOf,
  readTriggerStanding,
  type StoredMatch,
  type TriggerStanding,
} from './store/decisions.ts'
import { createHistory, readVerdicts } from './store/history.ts'
import { readEvent } from './store/testing.ts'
import { readTrigger, type StoredTrigger } from './store/triggers.ts'

export type ExplainedDecision = {
  trigger: { id: string; name: string; version: number; generation: number; enabled: boolean }
  event: Pick<RegistryEvent, 'id' | 'block_number' | 'log_index' | 'block_time' | 'event_type' | 'agent_id'>
  outcome: Decision['outcome'] | 'not looked at'
  /** In words. */
  reason: string
  held_back_by: 'cooldown' | 'max_fires' | null
  /** Of every condition, in order. `holds` is null where it was not asked. */
  evidence: (Omit<Evidence, 'holds'> & { holds: boolean | null })[]
  /** What the limits of the trigger had in mind before and after, if they were asked. */
  limits: { kind: 'cooldown' | 'max_fires'; scope: string; state_before: State | null; state: State | null }[]
  /** What is stored about the event: decided when it came, and not changed by changes of the trigger. */
  matches: StoredMatch[]
  /** How many events before it were evaluated again to know the state. */
  replayed_events: number
  /** How many of these were passed over, because their file is not known any more. */
  unknown_files: number
}

type Verdict = Pick<ExplainedDecision, 'outcome' | 'reason'> &
  Partial<Omit<ExplainedDecision, 'trigger' | 'event' | 'matches' | 'outcome' | 'reason'>>

/** Of `Memory.weight`. */
const weightMax = 2_000_000

/**
 * Says what a trigger decides about an event, also where it does not fire: evaluates again what this generation of it has seen up to the
 * event, with the production evaluator. Nothing is stored.
 *
 * @param db sees the events, files and cursors. @param own sees the user's triggers and matches.
 * @returns `undefined`: there is no such trigger, or no such event.
 * @throws UserError when the trigger remembers too much for this.
 */
export async function explainDecision(
  { db, own }: { db: Queryable; own: Queryable },
  wanted: { triggerId: string; eventId: string; userId?: string | undefined },
  signal: AbortSignal,
): Promise<ExplainedDecision | { missing: 'trigger' | 'event' }> {
  const trigger = await readTrigger(own, wanted.triggerId, wanted.userId)
  if (trigger === undefined) return { missing: 'trigger' }
  const event = await readEvent(db, wanted.eventId)
  if (event === undefined) return { missing: 'event' }
  const matches = await readMatchesOf(own, trigger.id, event)
  const verdict = await judge({ db, own }, trigger, event, signal)
  const { id, name, version, generation, enabled } = trigger
  const { block_number, log_index, block_time, event_type, agent_id } = event
  return {
    trigger: { id, name, version, generation, enabled },
    event: { id: event.id, block_number, log_index, block_time, event_type, agent_id },
    held_back_by: null,
    evidence: [],
    limits: [],
    replayed_events: 0,
    unknown_files: 0,
    ...verdict,
    reason: withStored(verdict, matches),
    matches,
  }
}

async function judge(
  { db, own }: { db: Queryable; own: Queryable },
  trigger: StoredTrigger,
  event: RegistryEvent,
  signal: AbortSignal,
): Promise<Verdict> {
  if (event.chain_id !== trigger.chain_id || event.registry !== trigger.registry) {
    return unseen(
      `the event is of the ${event.registry} registry of chain ${event.chain_id}, and the trigger looks at the ${trigger.registry} registry of chain ${trigger.chain_id}`,
    )
  }
  let compiled: CompiledTrigger
  try {
    compiled = compileTrigger({
      ...trigger,
      conditions: trigger.conditions.map((condition, position) => ({ ...condition, position })),
    })
  } catch (error) {
    return unseen(`this version of Tocsin cannot read the trigger: ${describeError(error)}`)
  }
  const stateless = () => complete(compiled, evaluateTrigger(compiled, event, { explain: true }).evidence)
  const standing = await readEventStanding(db, event.id)
  if (standing?.is_legacy) {
    return { ...unseen('its contract is a registry of an earlier revision'), evidence: stateless() }
  }
  if (standing?.is_retracted) {
    return {
      ...unseen('its block left the canonical chain, and has not come back'),
      evidence: stateless(),
    }
  }
  const position = await readTriggerStanding(own, trigger.id)
  const away = whyNotSeen(trigger, compiled, event, position, standing?.arrived_at)
  if (away !== undefined) return { ...away, evidence: stateless() }

  if (!compiled.eventTypes.includes(event.event_type)) {
    return {
      outcome: 'not fired',
      reason: `the trigger looks at events of the type ${compiled.eventTypes.join(', ')}`,
      evidence: stateless(),
    }
  }
  const hits = selectHits(event, [compiled], new Map())
  const [hit] = hits
  if (hit === undefined) {
    return { outcome: 'not fired', reason: 'a condition on the event does not hold', evidence: stateless() }
  }
  const fileOf = await readVerdicts(db, compiled.readsFiles ? [event] : [])
  if (hit.error === undefined && compiled.readsFiles && fileOf(event) === undefined) {
    return {
      outcome: 'waiting',
      reason: 'the file that it names is not there yet, or is not known any more',
      evidence: stateless(),
    }
  }

  const { memory, events, unknown } = await remember(db, trigger, compiled, event, position, signal)
  const limits = compiled.limits.map(({ kind, scopeOf }) => ({ kind, scope: scopeOf(event) }))
  const stateOf = ({ kind, scope }: (typeof limits)[number]) =>
    memory.get(compiled, ownPositions[kind], scope).state ?? null
  const before = limits.map(stateOf)
  let decision: Decision | undefined
  foldHits(hits, {
    memory,
    fileOf,
    due: [],
    triggerOf: () => compiled,
    end: { clock: event.block_time.getTime(), block_number: event.block_number },
    explain: true,
    onDecision: (_, made) => {
      decision = made
    },
  })
  if (decision === undefined) throw new Error('The fold made no decision about a hit')
  return {
    outcome: decision.outcome,
    reason: reasonOf(decision),
    held_back_by: decision.outcome === 'held back' ? decision.by : null,
    evidence: complete(compiled, decision.evidence),
    limits: limits.map((limit, index) => ({
      ...limit,
      state_before: before[index] ?? null,
      state: stateOf(limit),
    })),
    replayed_events: events,
    unknown_files: unknown,
  }
}

/** Why a trigger has no decision about an event of its chain and registry. `undefined`: it has. */
function whyNotSeen(
  trigger: StoredTrigger,
  { from_block, warm_up, active_since }: CompiledTrigger,
  event: RegistryEvent,
  { start, reached, isBehind }: TriggerStanding,
  arrivedAt: Date | undefined,
): Verdict | undefined {
  if (!warm_up && from_block !== undefined && event.block_number < from_block) {
    return unseen(`its block is before from_block (${from_block}), and the trigger does not warm up`)
  }
  if (!warm_up && from_block === undefined && event.block_time < active_since) {
    return unseen(`its block is from before the trigger was switched on (${active_since.toISOString()})`)
  }
  const isReached = reached !== undefined && compare(event, reached) <= 0
  if (start !== undefined && compare(event, start) <= 0 && event.seq <= start.seq) {
    return unseen(
      'it had arrived before the present generation of the trigger began (a change of what it looks at, or switching it on): the one before decided about it',
    )
  }
  // When it was switched off is not kept: at the latest it was when it was last changed.
  const cameTooLate = arrivedAt !== undefined && arrivedAt > trigger.updated_at
  if (!trigger.enabled && (start === undefined || !isReached || cameTooLate)) {
    const why = trigger.paused_reason === null ? '' : `: ${trigger.paused_reason}`
    return unseen(`the trigger is switched off${why}`)
  }
  if (start !== undefined && isReached) return undefined
  const reason = isBehind
    ? 'the trigger reads its history or waits for a file, and has not come to it yet'
    : 'the matcher has not come to it yet'
  return { outcome: 'waiting', reason }
}

/** What the trigger had in mind just before the event. */
async function remember(
  db: Queryable,
  trigger: StoredTrigger,
  compiled: CompiledTrigger,
  event: RegistryEvent,
  { start }: TriggerStanding,
  signal: AbortSignal,
): Promise<{ memory: Memory; events: number; unknown: number }> {
  if (compiled.stateful.length === 0 && compiled.limits.length === 0) {
    return { memory: createMemory(), events: 0, unknown: 0 }
  }
  const { from_block, warm_up, active_since } = compiled
  const history = createHistory(db, compiled, {
    lastBlock: event.block_number,
    since: warm_up || from_block !== undefined ? new Date(0) : active_since,
    agentIds: keepsAgentsApart(trigger) && event.agent_id !== null ? [event.agent_id] : undefined,
    own: start,
  })
  let unknown = 0
  let isTooMuch = false
  const { memory, events } = await replay(
    compiled,
    {
      ...history,
      read: async (after) => (await history.read(after)).filter((earlier) => compare(earlier, event) < 0),
    },
    {
      from: { block_number: warm_up ? 0 : (from_block ?? 0), log_index: -1 },
      endClock: event.block_time.getTime(),
      onDecision: compiled.readsFiles
        ? (_, { outcome }) => {
            if (outcome === 'waiting') unknown += 1
          }
        : undefined,
      onBatch: ({ weight }) => {
        isTooMuch = weight > weightMax
        return !signal.aborted && !isTooMuch
      },
    },
  )
  signal.throwIfAborted()
  if (isTooMuch) throw new UserError('The trigger remembers too much to evaluate its history again.')
  return { memory, events, unknown }
}

/** Whether events of one agent never change what is remembered of another. */
function keepsAgentsApart({ conditions, cooldown, max_fires }: StoredTrigger): boolean {
  const scopes = [
    ...conditions.map(({ config }) => config.scope),
    cooldown === null ? undefined : cooldown.scope,
    max_fires === null ? undefined : max_fires.scope,
  ]
  return scopes.every((scope) => scope === undefined || (Array.isArray(scope) && scope.includes('agent')))
}

function complete(trigger: CompiledTrigger, evidence: readonly Evidence[]): ExplainedDecision['evidence'] {
  const asked = new Set(evidence.map(({ position }) => position))
  const rest = [...trigger.conditions, ...trigger.content, ...trigger.stateful]
    .filter(({ position }) => !asked.has(position))
    .map(({ position, condition_type, field, operator, value, config }) => ({
      ...{ position, condition_type, field, operator, value, config },
      seen: null,
      holds: null,
    }))
  return [...evidence, ...rest].sort((a, b) => a.position - b.position)
}

function reasonOf(decision: Decision): string {
  switch (decision.outcome) {
    case 'fired':
      return 'all conditions hold'
    case 'not fired':
      return 'a condition does not hold'
    case 'only remembered':
      return 'all conditions hold, but the event is from before the trigger starts: it only builds its state'
    case 'held back':
      return `all conditions hold, and ${decision.by} holds it back`
    case 'undecided':
      return decision.reason
    case 'waiting':
      return 'the file that it names is not there yet'
  }
}

/** What is stored counts, also where the trigger has changed since. */
function withStored({ outcome, reason }: Verdict, matches: readonly StoredMatch[]): string {
  const match = matches.find(({ kind }) => kind === 'event')
  if (match === undefined || outcome === 'fired') return reason
  const status = match.status === 'standing' ? 'stands' : 'is retracted'
  return `${reason}. A match is stored, which ${status}: version ${match.trigger_version} of the trigger decided it`
}

function unseen(reason: string): Verdict {
  return { outcome: 'not looked at', reason }
}

function compare(a: Position, b: Position): number {
  return a.block_number - b.block_number || a.log_index - b.log_index
}
