import type { ContractEventName, DecodeEventLogReturnType, Hex } from 'viem'
import type { DecodedFields, EventType, Registry } from '../src/event.ts'
import { registryOf } from '../src/event.ts'
import { storableText } from '../src/storable-text.ts'
import { identityAbi, reputationAbi, validationAbi } from './abi.ts'

type Decoded<Abi extends typeof identityAbi | typeof reputationAbi | typeof validationAbi> =
  DecodeEventLogReturnType<Abi, ContractEventName<Abi>, Hex[], Hex, true>

/** An event's name with its arguments, as viem and Ponder decode them. */
export type DecodedLog =
  | Decoded<typeof identityAbi>
  | Decoded<typeof reputationAbi>
  | Decoded<typeof validationAbi>

/** Where a log stands on its chain, and its raw content. */
export type LogPlace = {
  chainId: number
  block: { number: bigint; hash: string; timestamp: bigint }
  transaction: { hash: string; transactionIndex: number }
  log: { logIndex: number; address: string; topics: readonly (string | null)[]; data: string }
}

/** A row of Ponder's table `registry_event`: `events` without what Postgres adds. */
export type RegistryEventRow = DecodedFields & {
  id: string
  chain_id: number
  block_number: number
  block_hash: string
  block_timestamp: number
  transaction_hash: string
  transaction_index: number
  log_index: number
  contract_address: string
  registry: Registry
  event_type: EventType
  args: Record<string, unknown>
  topics: string[]
  data: string
}

/** The arguments that hold text, as `Event.argument`. An indexed string is not one of them: its log holds only a hash. */
const textArguments = new Set(
  [...identityAbi, ...reputationAbi, ...validationAbi].flatMap((event) =>
    event.inputs
      .filter((input) => input.type === 'string' && !('indexed' in input && input.indexed))
      .map((input) => `${event.name}.${input.name}`),
  ),
)

const noFields: DecodedFields = {
  agent_id: null,
  owner: null,
  previous_owner: null,
  token_uri: null,
  updated_by: null,
  metadata_key: null,
  metadata_value: null,
  client_address: null,
  feedback_index: null,
  value: null,
  value_decimals: null,
  score: null,
  tag1: null,
  tag2: null,
  endpoint: null,
  file_uri: null,
  file_hash: null,
  responder: null,
  validator_address: null,
  request_uri: null,
  request_hash: null,
  response: null,
  response_uri: null,
  response_hash: null,
  tag: null,
}

/**
 * One row for one decoded log. Pure: the same log gives the same row on every machine and at every time.
 * Addresses and hashes are lower case; integers are decimal strings; text is what Postgres can hold (see {@link storableText}).
 */
export function decodeLog(
  decoded: DecodedLog,
  { chainId, block, transaction, log }: LogPlace,
): RegistryEventRow {
  const blockHash = block.hash.toLowerCase()
  return {
    id: `${chainId}-${block.number}-${log.logIndex}-${blockHash.slice(2, 18)}`,
    chain_id: chainId,
    block_number: Number(block.number),
    block_hash: blockHash,
    block_timestamp: Number(block.timestamp),
    transaction_hash: transaction.hash.toLowerCase(),
    transaction_index: transaction.transactionIndex,
    log_index: log.logIndex,
    contract_address: log.address.toLowerCase(),
    registry: registryOf(decoded.eventName),
    event_type: decoded.eventName,
    ...noFields,
    ...decodeFields(decoded),
    args: Object.fromEntries(
      Object.entries(decoded.args).map(([name, value]) => [
        name,
        toJson(value, textArguments.has(`${decoded.eventName}.${name}`)),
      ]),
    ),
    topics: log.topics.flatMap((topic) => (topic === null ? [] : [topic.toLowerCase()])),
    data: log.data.toLowerCase(),
  }
}

/** Exactly `value / 10^decimals` as a decimal string: digits are moved, nothing is rounded. */
export function scaleByDecimals(value: bigint, decimals: number): string {
  const sign = value < 0n ? '-' : ''
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  return decimals === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-decimals)}`
}

function decodeFields({ eventName, args }: DecodedLog): Partial<DecodedFields> {
  switch (eventName) {
    case 'Registered':
      return {
        agent_id: args.agentId.toString(),
        owner: args.owner.toLowerCase(),
        token_uri: storableText(args.agentURI),
      }
    case 'MetadataSet':
      return {
        agent_id: args.agentId.toString(),
        metadata_key: storableText(args.metadataKey),
        metadata_value: args.metadataValue.toLowerCase(),
      }
    case 'URIUpdated':
      return {
        agent_id: args.agentId.toString(),
        token_uri: storableText(args.newURI),
        updated_by: args.updatedBy.toLowerCase(),
      }
    case 'Transfer':
      return {
        agent_id: args.tokenId.toString(),
        previous_owner: args.from.toLowerCase(),
        owner: args.to.toLowerCase(),
      }
    case 'NewFeedback':
      return {
        agent_id: args.agentId.toString(),
        client_address: args.clientAddress.toLowerCase(),
        feedback_index: args.feedbackIndex.toString(),
        value: args.value.toString(),
        value_decimals: args.valueDecimals,
        score: scaleByDecimals(args.value, args.valueDecimals),
        tag1: storableText(args.tag1),
        tag2: storableText(args.tag2),
        endpoint: storableText(args.endpoint),
        file_uri: storableText(args.feedbackURI),
        file_hash: args.feedbackHash.toLowerCase(),
      }
    case 'FeedbackRevoked':
      return {
        agent_id: args.agentId.toString(),
        client_address: args.clientAddress.toLowerCase(),
        feedback_index: args.feedbackIndex.toString(),
      }
    case 'ResponseAppended':
      return {
        agent_id: args.agentId.toString(),
        client_address: args.clientAddress.toLowerCase(),
        feedback_index: args.feedbackIndex.toString(),
        responder: args.responder.toLowerCase(),
        response_uri: storableText(args.responseURI),
        response_hash: args.responseHash.toLowerCase(),
      }
    case 'ValidationRequest':
      return {
        agent_id: args.agentId.toString(),
        validator_address: args.validatorAddress.toLowerCase(),
        request_uri: storableText(args.requestURI),
        request_hash: args.requestHash.toLowerCase(),
      }
    case 'ValidationResponse':
      return {
        agent_id: args.agentId.toString(),
        validator_address: args.validatorAddress.toLowerCase(),
        request_hash: args.requestHash.toLowerCase(),
        response: args.response,
        response_uri: storableText(args.responseURI),
        response_hash: args.responseHash.toLowerCase(),
        tag: storableText(args.tag),
      }
  }
}

function toJson(value: unknown, isText: boolean): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'string') return value
  return isText ? storableText(value) : value.toLowerCase()
}
