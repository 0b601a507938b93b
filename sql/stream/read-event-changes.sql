-- The events that were retracted or reinstated by changes: parameters and columns as in read-events.sql.
select
  w.xact_id::bigint as xact, w.id as change_id, s.id as part, c.change, c.at, s.reason,
  e.id, e.seq, e.chain_id, e.block_number, e.block_hash, e.block_time, e.transaction_hash, e.transaction_index, e.log_index,
  e.contract_address, e.registry, e.event_type, e.occurrence, e.agent_id,
  e.owner, e.previous_owner, e.token_uri, e.updated_by, e.metadata_key, e.metadata_value,
  e.client_address, e.feedback_index, e.value, e.value_decimals, e.score, e.tag1, e.tag2, e.endpoint, e.file_uri, e.file_hash,
  e.responder, e.validator_address, e.request_uri, e.request_hash, e.response, e.response_uri, e.response_hash, e.tag, e.args,
  exists (select from newest_event_status n where n.event_id = e.id and n.status = 'retracted') as retracted
from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (xact_id, id, known)
join stream_changes c on c.xact_id = w.xact_id::xid8 and c.id = w.id
cross join lateral unnest(c.ids) as r (ids)
join event_status s on s.id >= lower(r.ids) and s.id < upper(r.ids) and s.id > w.known
join events e on e.id = s.event_id and e.block_time = s.block_time
order by c.xact_id, c.id, s.id
limit $4
