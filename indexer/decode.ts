import type { Hex } from 'viem'
import type { DecodedFields, Registry, StoredEventType } from '../src/event.ts'
import { storableText } from '../src/storable-text.ts'
import { findRevision } from './revisions/find-revision.ts'

/** An event's name with its arguments, as viem and Ponder decode them by its own revision of the ABI. */
export type DecodedLog = { eventName: string; args: object }

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
  event_type: StoredEventType
  args: Record<string, unknown>
  topics: string[]
  data: string
}

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
export function decodeLog(decoded: DecodedLog, place: LogPlace): RegistryEventRow {
  const { chainId, block, transaction, log } = place
  const revision = findRevision(place)
  if (revision === undefined)
    throw new Error(`No revision of ${decoded.eventName} has topic ${log.topics[0]}`)
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
    registry: revision.registry,
    event_type: revision.eventType,
    ...noFields,
    // The topic says of which type the arguments are.
    ...revision.fields(decoded.args as never, log.data.toLowerCase() as Hex),
    args: Object.fromEntries(
      Object.entries(decoded.args).map(([name, value]) => [
        name,
        toJson(value, revision.textArguments.has(name)),
      ]),
    ),
    topics: log.topics.flatMap((topic) => (topic === null ? [] : [topic.toLowerCase()])),
    data: log.data.toLowerCase(),
  }
}

function toJson(value: unknown, isText: boolean): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'string') return value
  return isText ? storableText(value) : value.toLowerCase()
}
