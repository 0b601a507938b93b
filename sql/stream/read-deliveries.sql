-- The deliveries of changes, of the user $5, as they are now: other parameters as in read-events.sql.
select
  w.xact_id::bigint as xact, w.id as change_id, x.part, c.change, c.at,
  d.id, d.kind, d.match_id, d.trigger_id, d.action_id, d.occurrence, d.chain_id, d.event_id, d.block_time, d.action_type, a.destination,
  d.priority, d.state, d.attempts, d.due_at, d.waits_on, d.waits_for, d.original_id, d.enqueued_at, d.started_at, d.finished_at,
  d.error_message, d.created_at, d.updated_at
from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (xact_id, id, known)
join stream_changes c on c.xact_id = w.xact_id::xid8 and c.id = w.id and c.user_id = $5
cross join lateral unnest(c.delivery_ids) with ordinality as x (id, part)
join deliveries d on d.id = x.id
left join trigger_actions a on a.id = d.action_id
where x.part > w.known
order by c.xact_id, c.id, x.part
limit $4
