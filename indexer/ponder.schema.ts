import { onchainTable } from 'ponder'

/**
 * Ponder's own table. Statement triggers copy its rows to `events` (migrations/0002_ingest.sql), where they stay;
 * here Ponder takes them back whenever it reads a block again. Numbers that do not fit a JS number are numeric and travel as text.
 */
export const registryEvent = onchainTable('registry_event', (t) => ({
  id: t.text().primaryKey(),
  chain_id: t.int8({ mode: 'number' }).notNull(),
  block_number: t.int8({ mode: 'number' }).notNull(),
  block_hash: t.text().notNull(),
  block_timestamp: t.int8({ mode: 'number' }).notNull(),
  transaction_hash: t.text().notNull(),
  transaction_index: t.integer().notNull(),
  log_index: t.integer().notNull(),
  contract_address: t.text().notNull(),
  registry: t.text().notNull(),
  event_type: t.text().notNull(),

  agent_id: t.numeric(),
  owner: t.text(),
  previous_owner: t.text(),
  token_uri: t.text(),
  updated_by: t.text(),
  metadata_key: t.text(),
  metadata_value: t.text(),

  client_address: t.text(),
  feedback_index: t.numeric(),
  value: t.numeric(),
  value_decimals: t.smallint(),
  score: t.numeric(),
  tag1: t.text(),
  tag2: t.text(),
  endpoint: t.text(),
  file_uri: t.text(),
  file_hash: t.text(),
  responder: t.text(),

  validator_address: t.text(),
  request_uri: t.text(),
  request_hash: t.text(),
  response: t.smallint(),
  response_uri: t.text(),
  response_hash: t.text(),
  tag: t.text(),

  args: t.jsonb().notNull(),
  topics: t.text().array().notNull(),
  data: t.text().notNull(),
}))

/**
 * How much feedback of revisions 1 to 3, which does not number it, a client has given an agent. A table of Ponder's, so that a
 * reorganisation, a replay and a crash set it back together with the rows it was counted from.
 */
export const feedbackCount = onchainTable('feedback_count', (t) => ({
  /** {chain_id}-{contract_address}-{agent_id}-{client_address} */
  id: t.text().primaryKey(),
  count: t.integer().notNull(),
}))
