-- $1 events, $2 their block times, in the same order.
select
  e.id, e.seq, e.chain_id, e.block_number, e.block_hash, e.block_time, e.transaction_hash, e.transaction_index, e.log_index,
  e.contract_address, e.registry, e.event_type, e.occurrence, e.agent_id,
  e.owner, e.previous_owner, e.token_uri, e.updated_by, e.metadata_key, e.metadata_value,
  e.client_address, e.feedback_index, e.value, e.value_decimals, e.score, e.tag1, e.tag2, e.endpoint, e.file_uri, e.file_hash,
  e.responder, e.validator_address, e.request_uri, e.request_hash, e.response, e.response_uri, e.response_hash, e.tag, e.args
from events e
where (e.id, e.block_time) in (select * from unnest($1::text[], $2::timestamptz[]))
