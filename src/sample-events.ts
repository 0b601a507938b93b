import { knownChains } from './chains.ts'
import {
  type DecodedFields,
  type EventField,
  type EventType,
  eventFields,
  type RegistryEvent,
  registryOf,
} from './event.ts'

const blockHash = `0x${'cd'.repeat(32)}`
const transactionHash = `0x${'cd'.repeat(32)}`
const fileHash = '0x9c22ff5f21f0b81b113e63f7db6da94fedef11b2119b4088b89664fb9a3cb658'
const owner = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8'
const agentUri = 'https://agents.example/7/agent.json'
const feedbackUri = 'ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
const responseUri = 'https://agents.example/7/answer.json'
const requestHash = '0x2a80e1ef1d7842f27f2e6be0972bb708b9a135c38860dbe73c27c3486c34f4de'

/** What agent 7 is like, in the fields of every event type. */
const values: Record<EventField, string | number> = {
  agent_id: '7',
  owner,
  previous_owner: '0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc',
  token_uri: agentUri,
  updated_by: owner,
  metadata_key: 'description',
  // "translates contracts"
  metadata_value: '0x7472616e736c6174657320636f6e747261637473',
  client_address: '0x90f79bf6eb2c4f870365e785982e1f101e93b906',
  feedback_index: '1',
  value: '705',
  value_decimals: 1,
  score: '70.5',
  tag1: 'quality',
  tag2: 'translation',
  endpoint: 'https://agents.example/7/mcp',
  file_uri: feedbackUri,
  file_hash: fileHash,
  responder: owner,
  validator_address: '0x15d34aaf54267db7d7c367839aaf71a00a2c6a65',
  request_uri: 'https://agents.example/7/request.json',
  request_hash: requestHash,
  response: 85,
  response_uri: responseUri,
  response_hash: fileHash,
  tag: 'second-opinion',
}

/** The arguments of each type as its ABI calls them, and the field of the same value. */
const argumentFields: Record<EventType, Record<string, EventField>> = {
  Registered: { agentId: 'agent_id', agentURI: 'token_uri', owner: 'owner' },
  MetadataSet: { agentId: 'agent_id', metadataKey: 'metadata_key', metadataValue: 'metadata_value' },
  URIUpdated: { agentId: 'agent_id', newURI: 'token_uri', updatedBy: 'updated_by' },
  Transfer: { from: 'previous_owner', to: 'owner', tokenId: 'agent_id' },
  NewFeedback: {
    ...{ agentId: 'agent_id', clientAddress: 'client_address', feedbackIndex: 'feedback_index' },
    ...{ value: 'value', valueDecimals: 'value_decimals', tag1: 'tag1', tag2: 'tag2' },
    ...{ endpoint: 'endpoint', feedbackURI: 'file_uri', feedbackHash: 'file_hash' },
  },
  FeedbackRevoked: {
    ...{ agentId: 'agent_id', clientAddress: 'client_address', feedbackIndex: 'feedback_index' },
  },
  ResponseAppended: {
    ...{ agentId: 'agent_id', clientAddress: 'client_address', feedbackIndex: 'feedback_index' },
    ...{ responder: 'responder', responseURI: 'response_uri', responseHash: 'response_hash' },
  },
  ValidationRequest: {
    ...{ validatorAddress: 'validator_address', agentId: 'agent_id' },
    ...{ requestURI: 'request_uri', requestHash: 'request_hash' },
  },
  ValidationResponse: {
    ...{ validatorAddress: 'validator_address', agentId: 'agent_id', requestHash: 'request_hash' },
    ...{ response: 'response', responseURI: 'response_uri', responseHash: 'response_hash', tag: 'tag' },
  },
}

/** Of strings that are indexed a log has only the hash: of `description`, and of `quality`. */
const indexedStrings: Partial<Record<EventType, Record<string, string>>> = {
  MetadataSet: {
    indexedMetadataKey: '0x1596dc38e2ac5a6ddc5e019af4adcc1e017a04f510d57e69d6879d5d2996bb8e',
  },
  NewFeedback: { indexedTag1: '0xfb6c6c3c0d5d33f0360426b0b58d3bad994edb94748fa7bd09e73c42d811fb30' },
}

/**
 * An event as the indexer would store it: every field that the type fills has a value, all others are null.
 *
 * @param fields what is to be different. With a `chain_id` it is an event of that chain's registry; of chain 31337 otherwise.
 */
export function sampleEvent(eventType: EventType, fields: Partial<RegistryEvent> = {}): RegistryEvent {
  const { chain_id = 31337 } = fields
  const registry = registryOf(eventType)
  const decoded = Object.fromEntries(
    Object.entries(eventFields).map(([name, { of }]) => [
      name,
      (of as readonly EventType[]).includes(eventType) ? values[name as EventField] : null,
    ]),
  ) as DecodedFields
  const named = Object.entries(argumentFields[eventType]).map(([name, field]) => [name, values[field]])
  const contract = knownChains.find(({ id }) => id === chain_id)?.registries[registry]
  return {
    ...decoded,
    id: `${chain_id}-12-3-${blockHash.slice(2, 18)}`,
    seq: 1,
    chain_id,
    block_number: 12,
    block_hash: blockHash,
    block_time: new Date('2026-02-01T00:00:00Z'),
    transaction_hash: transactionHash,
    transaction_index: 0,
    log_index: 3,
    contract_address: contract?.toLowerCase() ?? `0x${'ab'.repeat(20)}`,
    registry,
    event_type: eventType,
    occurrence: `${chain_id}-${transactionHash}-0-0`,
    args: { ...indexedStrings[eventType], ...Object.fromEntries(named) },
    ...fields,
  }
}
