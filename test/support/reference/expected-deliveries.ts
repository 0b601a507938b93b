import type { ReferenceMatch } from './evaluate-chain.ts'
import type { Chain, Finality, ReferenceTrigger } from './trigger.ts'

export type ReferenceDelivery = {
  occurrence: string
  action: number
  /**
   * Up to which block it has to wait, and for what. `null`: it is due. `undefined`: that depends on which block was the first to
   * pass a deadline.
   */
  waits: { on: 'head' | 'finalized'; for: number } | null | undefined
}

/** One delivery for each action of a match, and what it waits for. */
export function expectedDeliveries(
  trigger: ReferenceTrigger,
  chain: Chain,
  matches: readonly ReferenceMatch[],
): ReferenceDelivery[] {
  return matches.flatMap((match) =>
    trigger.actions.map((action, index) => ({
      occurrence: match.occurrence,
      action: index,
      waits: waitOf(action.finality ?? trigger.finality, match, chain),
    })),
  )
}

function waitOf(finality: Finality, match: ReferenceMatch, chain: Chain): ReferenceDelivery['waits'] {
  if (finality === 'latest') return null
  if (match.kind !== 'event') return undefined
  if (finality === 'finalized') {
    return chain.finalized >= match.event_block ? null : { on: 'finalized', for: match.event_block }
  }
  const wanted = match.event_block + finality.confirmations
  return chain.head.block_number >= wanted ? null : { on: 'head', for: wanted }
}
