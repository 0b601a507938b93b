import { setImmediate as turn } from 'node:timers/promises'
import { Heap } from 'heap-js'
import type { CompiledTrigger, FileVerdict } from '../conditions/compiled-trigger.ts'
import type { RegistryEvent } from '../event.ts'
import { type Decision, type FoldedMatch, foldHits, type Hit } from './fold.ts'
import { type Memory, nameOf, type Slot } from './memory.ts'
import { createReplayMemory } from './replay-memory.ts'
import { selectHits } from './select-hits.ts'

export type Position = { block_number: number; log_index: number }

export type ReplaySource = {
  /** The next events after a position, in chain order; none: that is all. */
  read(after: Position): Promise<readonly RegistryEvent[]>
  /** The verdict on the file that an event names. `undefined`: it is not known, and the event is passed over. */
  filesOf(events: readonly RegistryEvent[]): Promise<(event: RegistryEvent) => FileVerdict | undefined>
}

export type ReplayOptions = {
  from: Position
  /** Deadlines before this time (ms) have passed when all events are read. `undefined`: none has. */
  endClock: number | undefined
  /** Called with every event for which the stateless conditions hold, and what was decided. `waiting`: it was passed over. */
  onDecision?: ((hit: Hit, decision: Decision) => void) | undefined
  onMatch?: ((match: FoldedMatch) => void) | undefined
  /** After each batch; `weight` is that of the memory. Return false to stop. */
  onBatch?:
    | ((read: { events: number; last: Position; lastTime: number; weight: number }) => boolean | undefined)
    | undefined
}

/**
 * Runs one trigger over history with the production evaluator, and stores nothing. Memory stays bounded by what the trigger
 * itself remembers, and others of the process get a turn after each batch. The next batch is read while one is folded.
 *
 * @returns how many events were read, and the memory at the end.
 */
export async function replay(
  trigger: CompiledTrigger,
  source: ReplaySource,
  options: ReplayOptions,
): Promise<{ events: number; memory: Memory }> {
  const memory = createReplayMemory()
  const pending = createPending(trigger, memory)
  const errors = new Map<string, number>()
  let after = options.from
  let count = 0

  const fold = (
    hits: readonly Hit[],
    clock: number,
    fileOf: (event: RegistryEvent) => FileVerdict | undefined,
  ) => {
    const folded = foldHits(hits, {
      memory,
      fileOf,
      due: pending.takeBefore(clock),
      triggerOf: () => trigger,
      end: { clock, block_number: Math.max(after.block_number, 0) },
      onDecision: options.onDecision,
    })
    pending.add(folded.later)
    for (const match of folded.matches) options.onMatch?.(match)
  }

  let reading = readAhead(source, after)
  for (;;) {
    const events = await reading
    const last = events.at(-1)
    if (last === undefined) break
    count += events.length
    after = { block_number: last.block_number, log_index: last.log_index }
    reading = readAhead(source, after)
    let hits = events.flatMap((event) => selectHits(event, [trigger], errors))
    let fileOf: (event: RegistryEvent) => FileVerdict | undefined = () => undefined
    if (trigger.readsFiles) {
      fileOf = await source.filesOf(hits.map(({ event }) => event))
      hits = hits.filter((hit) => {
        if (hit.error !== undefined || fileOf(hit.event) !== undefined) return true
        options.onDecision?.(hit, { outcome: 'waiting', evidence: [] })
        return false
      })
    }
    const lastTime = last.block_time.getTime()
    fold(hits, lastTime, fileOf)
    const goesOn = options.onBatch?.({ events: count, last: after, lastTime, weight: memory.weight() })
    if (goesOn === false) return { events: count, memory }
    // What was read ahead may be there already: without this nobody else would have a turn.
    await turn()
  }
  if (options.endClock !== undefined) fold([], options.endClock, () => undefined)
  return { events: count, memory }
}

function readAhead(source: ReplaySource, after: Position): Promise<readonly RegistryEvent[]> {
  const reading = source.read(after)
  // Whoever stops in between does not come to wait for it.
  reading.catch(() => {})
  return reading
}

/** The deadlines that are ahead. Those that have been put off since are sorted out before they become many. */
function createPending(trigger: CompiledTrigger, memory: Memory) {
  const isCurrent = (slot: Slot) => memory.get(trigger, slot.position, slot.scope).wakeAt === slot.wakeAt
  const byTime = (a: Slot, b: Slot) => (a.wakeAt ?? 0) - (b.wakeAt ?? 0)
  let heap = new Heap<Slot>(byTime)
  let sortOutAt = 10_000

  return {
    add(slots: readonly Slot[]) {
      const newest = new Map(slots.map((slot) => [nameOf(slot), slot]))
      for (const slot of newest.values()) if (isCurrent(slot)) heap.push(slot)
      if (heap.size() < sortOutAt) return
      const current = new Map(
        heap
          .toArray()
          .filter(isCurrent)
          .map((slot) => [nameOf(slot), slot]),
      )
      heap = new Heap<Slot>(byTime)
      heap.init([...current.values()])
      sortOutAt = Math.max(10_000, 2 * heap.size())
    },
    takeBefore(clock: number): Slot[] {
      const due: Slot[] = []
      for (let next = heap.peek(); next?.wakeAt !== undefined && next.wakeAt < clock; next = heap.peek()) {
        due.push(next)
        heap.pop()
      }
      return due
    },
  }
}
