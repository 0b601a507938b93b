import {
  type EventField,
  type EventType,
  eventFields,
  type RegistryEvent,
  registryOf,
} from '../../src/event.ts'

const address = `0x${'ab'.repeat(20)}`
const hash = `0x${'cd'.repeat(32)}`

const samples: Record<string, string> = {
  address,
  hash,
  bytes: '0x01',
  integer: '7',
  decimal: '70.5',
  text: 'text',
}

/** An event of the given type on chain 31337: every field that the type fills has a value, all others are null. */
export function sampleEvent(eventType: EventType, fields: Partial<RegistryEvent> = {}): RegistryEvent {
  const decoded = Object.fromEntries(
    Object.entries(eventFields).map(([name, { kind, of }]) => {
      if (!(of as readonly EventType[]).includes(eventType)) return [name, null]
      return [name, name === 'response' || name === 'value_decimals' ? 1 : (samples[kind] ?? '')]
    }),
  ) as Pick<RegistryEvent, EventField>
  return {
    ...decoded,
    id: '31337-12-3-cdcdcdcdcdcdcdcd',
    seq: 1,
    chain_id: 31337,
    block_number: 12,
    block_hash: hash,
    block_time: new Date('2026-02-01T00:00:00Z'),
    transaction_hash: hash,
    transaction_index: 0,
    log_index: 3,
    contract_address: address,
    registry: registryOf(eventType),
    event_type: eventType,
    occurrence: `31337-${hash}-0-0`,
    args: {},
    ...fields,
  }
}
