-- $1 chain, $2 block and $3 log of the position, $4 last block, $5 not older than, $6 older than (null: up to now), $7 registry,
-- $8 event types, $9 agents (null: all), $10 how many at most; and only what had not arrived by $13 at or before block $11 and log $12
-- (null: everything). The canonical events of the current registries that one trigger can use, after the position, in chain order.
-- Their arguments are not read: only templates name them.
select
  e.id, e.seq, e.chain_id, e.block_number, e.block_hash, e.block_time, e.transaction_hash, e.transaction_index, e.log_index,
  e.contract_address, e.registry, e.event_type, e.occurrence, e.agent_id,
  e.owner, e.previous_owner, e.token_uri, e.updated_by, e.metadata_key, e.metadata_value,
  e.client_address, e.feedback_index, e.value, e.value_decimals, e.score, e.tag1, e.tag2, e.endpoint, e.file_uri, e.file_hash,
  e.responder, e.validator_address, e.request_uri, e.request_hash, e.response, e.response_uri, e.response_hash, e.tag, '{}'::jsonb as args
from events_canonical e
where e.chain_id = $1
  and (e.block_number, e.log_index) > ($2::bigint, $3::integer)
  -- The same once more, as a plain comparison: batches of compressed chunks are left out by it.
  and e.block_number >= $2::bigint
  and e.block_number <= $4::bigint
  and e.block_time >= $5::timestamptz
  and ($6::timestamptz is null or e.block_time < $6)
  and e.registry = $7
  and e.event_type = any($8::text[])
  and ($9::numeric[] is null or e.agent_id = any($9))
  and ($11::bigint is null or (e.block_number, e.log_index) > ($11, $12::integer) or e.seq > $13::bigint)
  and not exists (
    select from legacy_registries l where l.chain_id = e.chain_id and l.contract_address = e.contract_address
  )
order by e.block_number, e.log_index
limit $10
