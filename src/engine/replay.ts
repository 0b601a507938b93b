import { Heap } from 'heap-js'
import type { CompiledTrigger, FileVerdict } from '../conditions/compiled-trigger.ts'
import type { RegistryEvent } from '../event.ts'
import { type Decision, type FoldedMatch, foldHits, type Hit } from './fold.ts'
import { createMemory, type Memory, type Slot } from './memory.ts'
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
  /** The clock (ms) when all events are read: deadlines before it have passed. */
  endClock: number | undefined
  /** Called with every event for which the stateless conditions hold, and what was decided. */
  onDecision?: ((hit: Hit, decision: Decision) => void) | undefined
  onMatch?: ((match: FoldedMatch) => void) | undefined
  /** After each batch. Return false to stop. */
  onBatch?: ((read: { events: number; last: Position }) => boolean | undefined) | undefined
}

/**
 * Runs one trigger over history with the production evaluator, and stores nothing. Memory stays bounded by what the trigger
 * itself remembers.
 *
 * @returns how many events were read, and the memory at the end.
 */
export async function replay(
  trigger: CompiledTrigger,
  source: ReplaySource,
  options: ReplayOptions,
): Promise<{ events: number; memory: Memory }> {
  const memory = createMemory()
  const pending = new Heap<Slot>((a, b) => (a.wakeAt ?? 0) - (b.wakeAt ?? 0))
  const errors = new Map<string, number>()
  let after = options.from
  let count = 0

  const fold = (
    hits: readonly Hit[],
    clock: number,
    fileOf: (event: RegistryEvent) => FileVerdict | undefined,
  ) => {
    const due: Slot[] = []
    for (
      let next = pending.peek();
      next?.wakeAt !== undefined && next.wakeAt < clock;
      next = pending.peek()
    ) {
      due.push(next)
      pending.pop()
    }
    const folded = foldHits(hits, {
      memory,
      fileOf: (event) => fileOf(event) ?? unknownFile,
      due,
      triggerOf: () => trigger,
      end: { clock, block_number: after.block_number },
      onDecision: options.onDecision,
    })
    memory.taken()
    for (const slot of folded.later) pending.push(slot)
    for (const match of folded.matches) options.onMatch?.(match)
  }

  for (;;) {
    const events = await source.read(after)
    const last = events.at(-1)
    if (last === undefined) break
    count += events.length
    after = { block_number: last.block_number, log_index: last.log_index }
    const hits = events.flatMap((event) => selectHits(event, [trigger], errors))
    const fileOf = trigger.readsFiles ? await source.filesOf(hits.map(({ event }) => event)) : noFile
    fold(hits, last.block_time.getTime(), fileOf)
    if (options.onBatch?.({ events: count, last: after }) === false) return { events: count, memory }
  }
  if (options.endClock !== undefined) fold([], options.endClock, noFile)
  return { events: count, memory }
}

const noFile = () => undefined

/** History is not fetched again: a file that nobody asked for then is not known now. */
const unknownFile: FileVerdict = {
  status: 'failed',
  error: 'it was not fetched at the time',
  hash: 'unknown',
}
