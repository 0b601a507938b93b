import type { StreamMessage } from '../client/follow-stream.ts'
import type { components } from '../client/schema.ts'

type Schemas = components['schemas']
type Streamed = {
  event: Schemas['StreamedEvent']
  match: Schemas['StreamedMatch']
  delivery: Schemas['StreamedDelivery']
}

/** A line for people about what the stream told. `undefined`: it is only about the connection. */
export function describeStreamed({ name, data }: StreamMessage): string | undefined {
  switch (name) {
    case 'event': {
      const { change, at, event, reason } = data as Streamed['event']
      const { event_type, agent_id, block_number, chain_id } = event
      const whose = agent_id === null ? '' : ` of agent ${agent_id}`
      const why = reason == null ? '' : ` (${reason})`
      return line(
        at,
        name,
        change,
        event.id,
        `${event_type}${whose}, block ${block_number} of chain ${chain_id}${why}`,
      )
    }
    case 'match': {
      const { change, at, match } = data as Streamed['match']
      return line(
        at,
        name,
        change,
        String(match.id),
        `trigger ${match.trigger_id} by event ${match.event_id}`,
      )
    }
    case 'delivery': {
      const { change, at, delivery } = data as Streamed['delivery']
      const { id, action_type, destination, error_message } = delivery
      // The error of an attempt before is no error of what was opened again, or has succeeded.
      const isBad = change === 'failed' || change === 'unknown'
      const why = isBad && error_message !== null ? `: ${error_message}` : ''
      return line(at, name, change, id, `${action_type} to ${destination ?? '–'}${why}`)
    }
    case 'gap':
      return `something is missing here: ${data.reason}`
    default:
      return undefined
  }
}

function line(at: string, kind: string, change: string, id: string, about: string): string {
  const text = `${at.slice(0, 19)}Z  ${kind.padEnd(8)}  ${change.padEnd(10)}  ${id}  ${about}`
  return text.replaceAll(/\p{Cc}+/gu, ' ')
}
