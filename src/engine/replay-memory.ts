import type { Memory, Slot } from './memory.ts'

/**
 * The memory of a single trigger whose past is not to be put back: without a journal and without names made of its keys, which
 * are most of what `createMemory` costs.
 */
export function createReplayMemory(): Memory {
  const positions = new Map<number, Map<string, Slot>>()
  let weight = 0
  let wakeListener: ((slot: Slot) => void) | undefined

  function scopesAt(position: number): Map<string, Slot> {
    const known = positions.get(position)
    if (known !== undefined) return known
    const scopes = new Map<string, Slot>()
    positions.set(position, scopes)
    return scopes
  }
  function put(slot: Slot) {
    const scopes = scopesAt(slot.position)
    const held = scopes.get(slot.scope)
    weight += weightOf(slot) - (held === undefined ? 0 : weightOf(held))
    scopes.set(slot.scope, slot)
  }

  return {
    has: ({ position, scope }) => scopesAt(position).has(scope),
    get({ id, generation }, position, scope) {
      const held = scopesAt(position).get(scope)
      if (held !== undefined) return held
      return { trigger_id: id, generation, position, scope, state: undefined, wakeAt: undefined }
    },
    load: put,
    change(slot) {
      put(slot)
      if (slot.wakeAt !== undefined) wakeListener?.(slot)
    },
    taken: () => ({ changed: [], journal: [] }),
    onWake: (listener) => {
      wakeListener = listener
    },
    weight: () => weight,
    clear() {
      positions.clear()
      weight = 0
    },
  }
}

/** As of `createMemory`: one, and one for each entry of its lists. */
function weightOf({ state }: Slot): number {
  let weight = 1
  for (const key in state) {
    const value = state[key]
    if (Array.isArray(value)) weight += value.length
  }
  return weight
}
