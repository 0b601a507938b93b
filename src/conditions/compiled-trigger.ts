import type { EventType, Registry, RegistryEvent } from '../event.ts'
import type { Condition } from './check-conditions.ts'

/** Plain JSON: what a condition remembers. */
export type State = { readonly [key: string]: StateValue }
export type StateValue = string | number | boolean | null | readonly StateValue[] | State

/** What is compared with the value of a condition. */
export type Seen = string | number | boolean | null

/** A condition that needs nothing but the event. */
export type CompiledCondition = Condition & {
  position: number
  /** @throws EvaluationError when that cannot be said for this event: an expression that fails. */
  holds(event: RegistryEvent): boolean
  /** What the event has, for the evidence. Never throws. */
  seen(event: RegistryEvent): Seen
}

/** The file that an event names, as far as it is known. A failed fetch is a verdict too. */
export type FileVerdict = {
  status: 'fetched' | 'failed'
  /** Why it could not be fetched or read, in words. */
  error: string | null
  /** What its hash says: see docs/files.md. */
  hash: string
  /** The parsed JSON; undefined where it was not fetched or is no JSON. */
  json?: unknown
}

/** A condition on the file that the event names. */
export type CompiledContent = Condition & {
  position: number
  test(event: RegistryEvent, file: FileVerdict): { holds: boolean; seen: Seen }
}

export type StepOutcome = {
  holds: boolean
  /** What the value of the condition was compared with. */
  seen: Seen
  /** The state from now on. The same object: nothing changed. `undefined`: nothing is remembered. */
  state: State | undefined
  /** When the chain's clock has passed this time (ms since 1970), `wake` is to be called. */
  wakeAt?: number | undefined
}

/** The event on whose account the clock makes a trigger fire. */
export type Anchor = { event_id: string; occurrence: string; block_number: number; block_time: number }

/**
 * A condition with a memory, kept per trigger and scope. Pure: all it knows is what it is given. Times are ms of block time.
 * It steps on every event that passes the trigger's stateless and content conditions; a rate limit only if all others hold.
 */
export type CompiledStateful = Condition & {
  position: number
  /** Whether it steps after all others, on the events for which they hold. */
  last: boolean
  /** The key of its state for an event: one state per trigger and scope. At most 200 characters. */
  scopeOf(event: RegistryEvent): string
  step(state: State | undefined, event: RegistryEvent, file: FileVerdict | undefined): StepOutcome
  /** After the trigger has fired for an event of this scope. */
  afterFire?(state: State | undefined): State | undefined
  /** The clock has passed `wakeAt`. Where it holds, the trigger fires for the anchor. */
  wake?(state: State, now: number): StepOutcome & { anchor?: Anchor }
}

/** How often a trigger may fire: `count` times in `within` ms (in all, if undefined), per scope. */
export type CompiledLimit = {
  kind: 'cooldown' | 'max_fires'
  count: number
  within: number | undefined
  /** Whether what was held back is delivered as one digest when the trigger may fire again. */
  digest: boolean
  scopeOf(event: RegistryEvent): string
}

/** A trigger that is ready to be asked about many events. */
export type CompiledTrigger = {
  id: string
  version: number
  /** Counts the changes of what the trigger looks at: state of an earlier generation is not this one's. */
  generation: number
  chain_id: number
  registry: Registry
  active_since: Date
  conditions: readonly CompiledCondition[]
  content: readonly CompiledContent[]
  /** In the order in which they step. */
  stateful: readonly CompiledStateful[]
  limits: readonly CompiledLimit[]
  /** Whether it looks into the files that events name. */
  readsFiles: boolean
  /** The event types for which it can fire. */
  eventTypes: readonly EventType[]
  /** The agents for which it can fire; `undefined`: all. Decimal strings. */
  agentIds: readonly string[] | undefined
  /** Where in the past it starts, if it does. */
  from_block: number | undefined
  /** Whether state is built from the history before it starts. */
  warm_up: boolean
}
