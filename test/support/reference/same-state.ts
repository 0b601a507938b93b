import type { RememberedLimit } from './evaluate-chain.ts'
import type { Remembered } from './stateful.ts'

/** Whether what the engine stores for a condition and a scope says the same as what the reference found. */
export function sameState(reference: Remembered | RememberedLimit, stored: unknown): boolean {
  return JSON.stringify(inStoredWords(reference)) === JSON.stringify(pickStored(reference.kind, stored))
}

/** The reference's findings as the engine calls them. */
export function inStoredWords(found: Remembered | RememberedLimit): unknown {
  switch (found.kind) {
    case 'average':
      return [found.average, found.count, found.armed ?? null]
    case 'times':
      return [found.times, found.truncated]
    case 'values':
      return [found.lastTimes, found.truncated]
    case 'sum':
      return [found.entries, found.sum, found.truncated]
    case 'side':
      return found.armed
    case 'first':
      return [found.time, found.event_id]
    case 'last':
      return [found.event_id, found.time]
    case 'limit':
      return [
        found.fires,
        found.held.length,
        found.held.slice(0, 20),
        found.held.at(-1) ?? null,
        found.heldInAll,
      ]
  }
}

export function pickStored(kind: (Remembered | RememberedLimit)['kind'], stored: unknown): unknown {
  const state = stored as Record<string, unknown>
  switch (kind) {
    case 'average':
      return [state.ema, state.count, state.armed ?? null]
    case 'times':
      return [state.times, state.truncated ?? false]
    case 'values':
      return [state.values, state.truncated ?? false]
    case 'sum':
      return [state.values, state.sum, state.truncated ?? false]
    case 'side':
      return state.armed
    case 'first':
      return [state.first_at, state.first_event]
    case 'last':
      return [state.event_id, state.block_time]
    case 'limit': {
      const last = state.last as { event_id: string } | null
      return [state.fires, state.held, state.events, last?.event_id ?? null, state.held_in_all]
    }
  }
}
