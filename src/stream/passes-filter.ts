import { compareDecimals } from '../conditions/decimal.ts'
import type { EventFilter } from '../store/events.ts'
import type { Change, StreamKind } from './change.ts'

/** Names mean what they mean in GET /v1/events. */
export type StreamFilter = Pick<
  EventFilter,
  | 'chain_id'
  | 'registry'
  | 'event_type'
  | 'agent_id'
  | 'client_address'
  | 'validator_address'
  | 'tag'
  | 'tag2'
  | 'score_min'
  | 'score_max'
> & { trigger_id?: string | undefined }

/** Which kinds each filter narrows. Those of another kind are not touched by it. */
export const narrows: Record<keyof StreamFilter, readonly StreamKind[]> = {
  chain_id: ['event', 'match', 'delivery'],
  registry: ['event'],
  event_type: ['event'],
  agent_id: ['event'],
  client_address: ['event'],
  validator_address: ['event'],
  tag: ['event'],
  tag2: ['event'],
  score_min: ['event'],
  score_max: ['event'],
  trigger_id: ['match', 'delivery'],
}

/** Whether a client that asked for this hears of it. Whose it is, is another question. */
export function passesFilter(change: Change, kinds: readonly StreamKind[], filter: StreamFilter): boolean {
  if (!kinds.includes(change.kind)) return false
  const same = <Value>(wanted: Value | undefined, is: Value) => wanted === undefined || wanted === is
  if (change.kind !== 'event') {
    const subject = change.kind === 'match' ? change.match : change.delivery
    return same(filter.chain_id, subject.chain_id) && same(filter.trigger_id, subject.trigger_id)
  }
  const { event } = change
  return (
    same(filter.chain_id, event.chain_id) &&
    same(filter.registry, event.registry) &&
    same(filter.event_type, event.event_type) &&
    same(filter.agent_id, event.agent_id) &&
    same(filter.client_address, event.client_address) &&
    same(filter.validator_address, event.validator_address) &&
    same(filter.tag, event.tag1 ?? event.tag) &&
    same(filter.tag2, event.tag2) &&
    (filter.score_min === undefined ||
      (event.score !== null && compareDecimals(event.score, filter.score_min) >= 0)) &&
    (filter.score_max === undefined ||
      (event.score !== null && compareDecimals(event.score, filter.score_max) <= 0))
  )
}
