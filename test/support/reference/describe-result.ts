import { type ReferenceResult, scopeText } from './evaluate-chain.ts'
import type { FoldedChain } from './fold-chain.ts'
import { inStoredWords, pickStored } from './same-state.ts'

/** What both can say of a chain, in one form, so that a difference can be read. */
export function describeReference({ matches, undecided, states }: ReferenceResult) {
  return {
    matches: sorted(
      matches.map(({ kind, occurrence, event_id, event_block, seen, events = null }) => ({
        kind,
        occurrence,
        event_id,
        block: kind === 'event' ? event_block : null,
        seen: asText(seen),
        events,
      })),
    ),
    undecided: undecided.map(({ event_id }) => event_id),
    states: sorted(
      states.map(({ position, scope, remembered }) => ({
        position,
        scope: scopeText(scope),
        state: inStoredWords(remembered),
      })),
    ),
  }
}

export function describeFolded({ matches, undecided, slots }: FoldedChain, reference: ReferenceResult) {
  return {
    matches: sorted(
      matches.map(({ kind, occurrence, event_id, block_number, evidence }) => ({
        kind,
        occurrence,
        event_id,
        // Which block was the first to pass a deadline depends on when somebody looked.
        block: kind === 'event' ? block_number : null,
        seen: asText(
          Object.fromEntries(
            evidence
              .filter(({ scope }) => scope !== undefined)
              .map(({ position, seen }) => [position, kind === 'digest' ? Number(seen) : seen]),
          ),
        ),
        events: kind === 'digest' ? (evidence[0]?.held_back?.events ?? null) : null,
      })),
    ),
    undecided,
    states: sorted(
      slots.map(({ position, scope, state }) => {
        const same = reference.states.find(
          (one) => one.position === position && scopeText(one.scope) === scope,
        )
        return { position, scope, state: same ? pickStored(same.remembered.kind, state) : state }
      }),
    ),
  }
}

function sorted<T>(list: readonly T[]): T[] {
  return list.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

function asText(seen: Record<string, unknown>): string {
  return JSON.stringify(Object.entries(seen).toSorted(([a], [b]) => Number(a) - Number(b)))
}
