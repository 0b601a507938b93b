-- The events of changes: $1 their transactions, $2 their ids, $3 of each the last element that is known already; at most $4 events.
-- `part` is the place of the element in its change.
select
  w.xact_id::bigint as xact, w.id as change_id, e.seq as part, c.change, c.at, null as reason,
  e.id, e.seq, e.chain_id, e.block_number, e.block_hash, e.block_time, e.transaction_hash, e.transaction_index, e.log_index,
  e.contract_address, e.registry, e.event_type, e.occurrence, e.agent_id,
  e.owner, e.previous_owner, e.token_uri, e.updated_by, e.metadata_key, e.metadata_value,
  e.client_address, e.feedback_index, e.value, e.value_decimals, e.score, e.tag1, e.tag2, e.endpoint, e.file_uri, e.file_hash,
  e.responder, e.validator_address, e.request_uri, e.request_hash, e.response, e.response_uri, e.response_hash, e.tag, e.args,
  exists (select from newest_event_status n where n.event_id = e.id and n.status = 'retracted') as retracted
from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (xact_id, id, known)
join stream_changes c on c.xact_id = w.xact_id::xid8 and c.id = w.id
cross join lateral unnest(c.ids) as r (seqs)
-- By the order and the limit the planner takes the index of the order of arrival; the times choose partitions.
cross join lateral (
  select *
  from events e
  where e.chain_id = c.chain_id and e.seq >= greatest(lower(r.seqs), w.known + 1) and e.seq < upper(r.seqs)
    and e.block_time >= c.first_block_time and e.block_time <= c.last_block_time
  order by e.seq
  limit $4
) e
order by c.xact_id, c.id, e.seq
limit $4
