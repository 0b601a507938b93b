import { compileTrigger } from '../../../src/conditions/compile-trigger.ts'
import { type FoldedMatch, foldHits } from '../../../src/engine/fold.ts'
import { createMemory, type JournalEntry, nameOf, type Slot } from '../../../src/engine/memory.ts'
import { selectHits } from '../../../src/engine/select-hits.ts'
import type { RegistryEvent } from '../../../src/event.ts'
import type { Chain, ReferenceTrigger } from './trigger.ts'

export type FoldedChain = { matches: FoldedMatch[]; undecided: string[]; slots: Slot[] }

/** What a matcher stores of a trigger, without a database: the engine's own fold, in as many steps as asked for, and back. */
export function createFolder(row: ReferenceTrigger) {
  const trigger = compileTrigger(row)
  const slots = new Map<string, Slot>()
  let journal: JournalEntry[] = []
  let matches: FoldedMatch[] = []
  let undecided: RegistryEvent[] = []

  /** Events after those of the step before, and the time of the block at which this step ends. */
  const step = (events: readonly RegistryEvent[], end: { clock: number; block_number: number }) => {
    const memory = createMemory()
    for (const slot of slots.values()) memory.load(slot)
    const hits = events.flatMap((event) => selectHits(event, [trigger], new Map()))
    const due = [...slots.values()].filter(({ wakeAt }) => wakeAt !== undefined && wakeAt < end.clock)
    const folded = foldHits(hits, { memory, fileOf: () => undefined, due, triggerOf: () => trigger, end })
    const taken = memory.taken()
    for (const slot of taken.changed) {
      if (slot.state === undefined) slots.delete(nameOf(slot))
      else slots.set(nameOf(slot), slot)
    }
    for (const entry of taken.journal) {
      const isKnown = journal.some(
        (one) => one.block_number === entry.block_number && nameOf(one) === nameOf(entry),
      )
      if (!isKnown) journal.push(entry)
    }
    matches.push(...folded.matches)
    undecided.push(...folded.undecided.map(({ event }) => event))
  }

  return {
    /** @param cuts how many events each step takes, one after the other; the last step takes what is left. */
    fold(chain: Chain, after: number, cuts: readonly number[]): void {
      let left = chain.events.filter(({ block_number }) => block_number > after)
      for (const cut of cuts) {
        const events = left.slice(0, cut)
        const last = events.at(-1)
        if (last === undefined) continue
        left = left.slice(cut)
        step(events, { clock: last.block_time.getTime(), block_number: last.block_number })
      }
      const last = chain.events.at(-1)?.block_time.getTime() ?? Number.NEGATIVE_INFINITY
      step(left, { clock: chain.head.time ?? last, block_number: chain.head.block_number })
    },
    /** Everything as it was at the end of a block. */
    goBack(block: number): void {
      const undone = journal.filter(({ block_number }) => block_number > block)
      journal = journal.filter(({ block_number }) => block_number <= block)
      // The oldest comes last, and stays.
      for (const { block_number: _, ...slot } of undone.toSorted((a, b) => b.block_number - a.block_number)) {
        if (slot.state === undefined) slots.delete(nameOf(slot))
        else slots.set(nameOf(slot), slot)
      }
      matches = matches.filter(({ block_number }) => block_number <= block)
      undecided = undecided.filter(({ block_number }) => block_number <= block)
    },
    result: (): FoldedChain => ({
      matches,
      undecided: undecided.map(({ id }) => id),
      slots: [...slots.values()],
    }),
  }
}
