/** The three ERC-8004 registries. */
export type Registry = 'identity' | 'reputation' | 'validation'

/** The event types of the final revision, by the registry that emits them. */
export const eventTypes = {
  identity: ['Registered', 'MetadataSet', 'URIUpdated', 'Transfer'],
  reputation: ['NewFeedback', 'FeedbackRevoked', 'ResponseAppended'],
  validation: ['ValidationRequest', 'ValidationResponse'],
} as const satisfies Record<Registry, readonly string[]>

export const registries = Object.keys(eventTypes) as Registry[]

export type EventType = (typeof eventTypes)[Registry][number]

/** `Upgraded` comes of each registry when its code is replaced. It is stored; triggers watch agents, not contracts. */
export type StoredEventType = EventType | 'Upgraded'

/** How a field's text is to be read: addresses and hashes are lower-case hex, integers and decimals are exact. */
export type FieldKind = 'address' | 'hash' | 'bytes' | 'integer' | 'decimal' | 'text'

/** The decoded columns of `events`, what each holds, and which event types fill it. */
export const eventFields = {
  agent_id: {
    kind: 'integer',
    of: [
      'Registered',
      'MetadataSet',
      'URIUpdated',
      'Transfer',
      'NewFeedback',
      'FeedbackRevoked',
      'ResponseAppended',
      'ValidationRequest',
      'ValidationResponse',
    ],
  },
  owner: { kind: 'address', of: ['Registered', 'Transfer'] },
  previous_owner: { kind: 'address', of: ['Transfer'] },
  token_uri: { kind: 'text', of: ['Registered', 'URIUpdated'] },
  updated_by: { kind: 'address', of: ['URIUpdated'] },
  metadata_key: { kind: 'text', of: ['MetadataSet'] },
  metadata_value: { kind: 'bytes', of: ['MetadataSet'] },
  client_address: { kind: 'address', of: ['NewFeedback', 'FeedbackRevoked', 'ResponseAppended'] },
  feedback_index: { kind: 'integer', of: ['NewFeedback', 'FeedbackRevoked', 'ResponseAppended'] },
  value: { kind: 'integer', of: ['NewFeedback'] },
  value_decimals: { kind: 'integer', of: ['NewFeedback'] },
  score: { kind: 'decimal', of: ['NewFeedback'] },
  tag1: { kind: 'text', of: ['NewFeedback'] },
  tag2: { kind: 'text', of: ['NewFeedback'] },
  endpoint: { kind: 'text', of: ['NewFeedback'] },
  file_uri: { kind: 'text', of: ['NewFeedback'] },
  file_hash: { kind: 'hash', of: ['NewFeedback'] },
  responder: { kind: 'address', of: ['ResponseAppended'] },
  validator_address: { kind: 'address', of: ['ValidationRequest', 'ValidationResponse'] },
  request_uri: { kind: 'text', of: ['ValidationRequest'] },
  request_hash: { kind: 'hash', of: ['ValidationRequest', 'ValidationResponse'] },
  response: { kind: 'integer', of: ['ValidationResponse'] },
  response_uri: { kind: 'text', of: ['ResponseAppended', 'ValidationResponse'] },
  response_hash: { kind: 'hash', of: ['ResponseAppended', 'ValidationResponse'] },
  tag: { kind: 'text', of: ['ValidationResponse'] },
} as const satisfies Record<string, { kind: FieldKind; of: readonly EventType[] }>

export type EventField = keyof typeof eventFields

/** The decoded columns of one event. `null` where the event type does not fill the column. Numbers are decimal strings. */
export type DecodedFields = Record<Exclude<EventField, 'value_decimals' | 'response'>, string | null> & {
  value_decimals: number | null
  response: number | null
}

/** A row of `events`: one decoded registry log in one block. */
export type RegistryEvent = DecodedFields & {
  id: string
  seq: number
  chain_id: number
  block_number: number
  block_hash: string
  block_time: Date
  transaction_hash: string
  transaction_index: number
  log_index: number
  contract_address: string
  registry: Registry
  event_type: EventType
  occurrence: string
  args: Record<string, unknown>
}

/** The registry that emits events of this type. */
export function registryOf(eventType: EventType): Registry {
  const found = registries.find((registry) => (eventTypes[registry] as readonly string[]).includes(eventType))
  if (found === undefined) throw new Error(`No registry emits ${eventType}`)
  return found
}
