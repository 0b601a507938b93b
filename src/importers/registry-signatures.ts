import type { EventField, EventType } from '../event.ts'

/** Parameters of an event by their names on the chain, and the field of ours that has each. null: it is in none. */
export type Signature = { type: EventType; parameters: Record<string, EventField | null> }

/** The events of the registries as their signatures are written elsewhere. A test holds them to what the indexer reads. */
export const registrySignatures: Record<string, Signature> = {
  'Registered(uint256,string,address)': {
    type: 'Registered',
    parameters: { agentId: 'agent_id', agentURI: 'token_uri', owner: 'owner' },
  },
  'MetadataSet(uint256,string,string,bytes)': {
    type: 'MetadataSet',
    parameters: {
      agentId: 'agent_id',
      indexedMetadataKey: null,
      metadataKey: 'metadata_key',
      metadataValue: 'metadata_value',
    },
  },
  'URIUpdated(uint256,string,address)': {
    type: 'URIUpdated',
    parameters: { agentId: 'agent_id', newURI: 'token_uri', updatedBy: 'updated_by' },
  },
  'Transfer(address,address,uint256)': {
    type: 'Transfer',
    parameters: { from: 'previous_owner', to: 'owner', tokenId: 'agent_id' },
  },
  'NewFeedback(uint256,address,uint64,int128,uint8,string,string,string,string,string,bytes32)': {
    type: 'NewFeedback',
    parameters: {
      agentId: 'agent_id',
      clientAddress: 'client_address',
      feedbackIndex: 'feedback_index',
      value: 'value',
      valueDecimals: 'value_decimals',
      indexedTag1: null,
      tag1: 'tag1',
      tag2: 'tag2',
      endpoint: 'endpoint',
      feedbackURI: 'file_uri',
      feedbackHash: 'file_hash',
    },
  },
  'FeedbackRevoked(uint256,address,uint64)': {
    type: 'FeedbackRevoked',
    parameters: { agentId: 'agent_id', clientAddress: 'client_address', feedbackIndex: 'feedback_index' },
  },
  'ResponseAppended(uint256,address,uint64,address,string,bytes32)': {
    type: 'ResponseAppended',
    parameters: {
      agentId: 'agent_id',
      clientAddress: 'client_address',
      feedbackIndex: 'feedback_index',
      responder: 'responder',
      responseURI: 'response_uri',
      responseHash: 'response_hash',
    },
  },
  'ValidationRequest(address,uint256,string,bytes32)': {
    type: 'ValidationRequest',
    parameters: {
      validatorAddress: 'validator_address',
      agentId: 'agent_id',
      requestURI: 'request_uri',
      requestHash: 'request_hash',
    },
  },
  'ValidationResponse(address,uint256,bytes32,uint8,string,bytes32,string)': {
    type: 'ValidationResponse',
    parameters: {
      validatorAddress: 'validator_address',
      agentId: 'agent_id',
      requestHash: 'request_hash',
      response: 'response',
      responseURI: 'response_uri',
      responseHash: 'response_hash',
      tag: 'tag',
    },
  },
}
