import type { CompiledTrigger, State } from '../conditions/compiled-trigger.ts'

/** Whose state, and of what: a condition by its position, or the trigger's own (`ownPositions`). */
export type SlotKey = { trigger_id: string; generation: number; position: number; scope: string }

/** A state, or that there is none, and when (ms of block time) the clock is to wake it. */
export type Slot = SlotKey & { state: State | undefined; wakeAt: number | undefined }

/** What a slot was before the first change of a block. */
export type JournalEntry = Slot & { block_number: number }

/** Positions of what a trigger itself remembers, beside its conditions. */
export const ownPositions = { cooldown: -1, max_fires: -2 } as const

/**
 * What triggers remember, as far as it has been read, with every change since the last {@link Memory.taken}. Whoever folds
 * makes sure beforehand that the slots an event needs are in it.
 */
export type Memory = {
  has(key: SlotKey): boolean
  get(trigger: CompiledTrigger, position: number, scope: string): Slot
  /** As it is stored; not a change. */
  load(slot: Slot): void
  /** @param blockNumber the block that changes it. */
  change(slot: Slot, blockNumber: number): void
  /** The changes since it was last called: the slots as they are now, and what they were before each block. */
  taken(): { changed: Slot[]; journal: JournalEntry[] }
  /** Called with each slot that gets a time to be woken at. */
  onWake(listener: ((slot: Slot) => void) | undefined): void
  /** About how much is held: the number of slots, and of the entries in their lists. */
  weight(): number
  clear(): void
}

export function createMemory(): Memory {
  const slots = new Map<string, Slot>()
  const changed = new Map<string, Slot>()
  const journal = new Map<string, JournalEntry>()
  const lastJournaled = new Map<string, number>()
  let weight = 0
  let wakeListener: ((slot: Slot) => void) | undefined

  return {
    has: (key) => slots.has(nameOf(key)),
    get(trigger, position, scope) {
      const key = { trigger_id: trigger.id, generation: trigger.generation, position, scope }
      return slots.get(nameOf(key)) ?? { ...key, state: undefined, wakeAt: undefined }
    },
    load(slot) {
      slots.set(nameOf(slot), slot)
      weight += weightOf(slot)
    },
    change(slot, blockNumber) {
      const name = nameOf(slot)
      // Blocks come in order, so one look tells whether this one has changed the slot before.
      if (lastJournaled.get(name) !== blockNumber) {
        const before = slots.get(name)
        journal.set(`${name} ${blockNumber}`, {
          ...slot,
          state: before?.state,
          wakeAt: before?.wakeAt,
          block_number: blockNumber,
        })
        lastJournaled.set(name, blockNumber)
      }
      const held = slots.get(name)
      weight += weightOf(slot) - (held === undefined ? 0 : weightOf(held))
      slots.set(name, slot)
      changed.set(name, slot)
      if (slot.wakeAt !== undefined) wakeListener?.(slot)
    },
    taken() {
      const result = { changed: [...changed.values()], journal: [...journal.values()] }
      changed.clear()
      journal.clear()
      lastJournaled.clear()
      return result
    },
    onWake: (listener) => {
      wakeListener = listener
    },
    weight: () => weight,
    clear() {
      weight = 0
      slots.clear()
      changed.clear()
      journal.clear()
      lastJournaled.clear()
    },
  }
}

/** One text for a key: ids hold no spaces, and the scope comes last. */
export function nameOf({ trigger_id, generation, position, scope }: SlotKey): string {
  return `${trigger_id} ${generation} ${position} ${scope}`
}

function weightOf({ state }: Slot): number {
  if (state === undefined) return 1
  return Object.values(state).reduce<number>(
    (sum, value) => sum + (Array.isArray(value) ? value.length : 0),
    1,
  )
}
