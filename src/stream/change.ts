import type { DeliveryRow, MatchRow } from '../store/deliveries-read.ts'
import type { ListedEvent } from '../store/events.ts'
import type { Position } from './position.ts'

export const streamKinds = ['event', 'match', 'delivery'] as const
export type StreamKind = (typeof streamKinds)[number]

type Told = { position: Position; at: Date }

/** One thing that is told: what became of what, and when the transaction that did it began. */
export type Change = Told &
  (
    | {
        kind: 'event'
        change: 'arrived' | 'retracted' | 'reinstated'
        reason: string | null
        event: ListedEvent
      }
    | { kind: 'match'; change: 'created' | 'retracted' | 'reinstated'; userId: string; match: MatchRow }
    | {
        kind: 'delivery'
        change: 'created' | 'succeeded' | 'failed' | 'unknown' | 'cancelled' | 'reopened'
        userId: string
        delivery: StreamedDelivery
      }
  )

/** As it is when it is read, which can be later than the change. */
export type StreamedDelivery = DeliveryRow & { chain_id: number | null }

/** What clients get of it. */
export function toData(change: Change): object {
  const { change: what, at } = change
  switch (change.kind) {
    case 'event':
      return { change: what, at, reason: change.reason, event: change.event }
    case 'match':
      return { change: what, at, match: change.match }
    case 'delivery':
      return { change: what, at, delivery: change.delivery }
  }
}
