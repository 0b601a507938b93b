-- $1 events that could not be decided, as a JSON array.
insert into undecided_events (trigger_id, trigger_version, chain_id, event_id, block_number, block_time, reason)
select r.trigger_id, r.trigger_version, r.chain_id, r.event_id, r.block_number, r.block_time, r.reason
from jsonb_to_recordset($1::jsonb) as r (
  trigger_id text, trigger_version integer, chain_id bigint, event_id text, block_number bigint, block_time timestamptz, reason text
)
join triggers t on t.id = r.trigger_id
on conflict (trigger_id, event_id) do update set trigger_version = excluded.trigger_version, reason = excluded.reason
