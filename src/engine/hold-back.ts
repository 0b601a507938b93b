import type { Anchor, CompiledLimit, State } from '../conditions/compiled-trigger.ts'

/** How many of the events that were held back a digest names. */
const eventsMax = 20

/** What a limit remembers per scope. */
type LimitState = {
  /** Block times of the last matches: at most `count`. Without `within` nothing leaves it. */
  fires: readonly number[]
  /** What was held back and not told yet, and the first and the last of it. */
  held: number
  first: Anchor | null
  last: Anchor | null
  /** Ids of the first of them. */
  events: readonly string[]
  /** Since the trigger began. */
  held_in_all: number
}

const empty: LimitState = { fires: [], held: 0, first: null, last: null, events: [], held_in_all: 0 }

/** Whether a trigger may fire at a block time (ms). */
export function allows(limit: CompiledLimit, state: State | undefined, time: number): boolean {
  return firesBefore(limit, read(state), time).length < limit.count
}

/** The trigger fired at a block time (ms). */
export function noteFire(limit: CompiledLimit, state: State | undefined, time: number): State {
  const current = read(state)
  return { ...current, fires: [...firesBefore(limit, current, time), time].slice(-limit.count) }
}

/** A match was held back. `wakeAt`: when the digest is due, if the owner asked for one: at the end of the period of the first it holds. */
export function noteHeldBack(
  limit: CompiledLimit,
  { state, wakeAt }: { state: State | undefined; wakeAt: number | undefined },
  anchor: Anchor,
): { state: State; wakeAt: number | undefined } {
  const current = read(state)
  const oldest = current.fires[0]
  const end = limit.within === undefined || oldest === undefined ? undefined : oldest + limit.within
  return {
    state: {
      ...current,
      held: current.held + 1,
      first: current.first ?? anchor,
      last: anchor,
      events: current.events.length < eventsMax ? [...current.events, anchor.event_id] : current.events,
      held_in_all: current.held_in_all + 1,
    },
    wakeAt: limit.digest ? (wakeAt ?? end) : undefined,
  }
}

/** What is to be told of what was held back, and the state without it. */
export function takeDigest(state: State | undefined): {
  state: State
  digest:
    | { anchor: Anchor; held: number; first_at: string; last_at: string; events: readonly string[] }
    | undefined
} {
  const current = read(state)
  const { first, last, held, events } = current
  if (first === null || last === null) return { state: current, digest: undefined }
  return {
    state: { ...current, held: 0, first: null, last: null, events: [] },
    digest: {
      anchor: last,
      held,
      first_at: new Date(first.block_time).toISOString(),
      last_at: new Date(last.block_time).toISOString(),
      events,
    },
  }
}

function read(state: State | undefined): LimitState {
  return (state as LimitState | undefined) ?? empty
}

function firesBefore({ within }: CompiledLimit, { fires }: LimitState, time: number): readonly number[] {
  return within === undefined ? fires : fires.filter((fired) => fired > time - within)
}
