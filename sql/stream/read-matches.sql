-- The matches of changes, of the user $5: other parameters as in read-events.sql.
select
  w.xact_id::bigint as xact, w.id as change_id, m.id as part, c.change, c.at,
  m.id, m.trigger_id, m.trigger_version, m.chain_id, m.occurrence, m.event_id, m.block_number, m.block_time, m.evidence, m.kind, m.status,
  m.retractions, m.history, m.created_at
from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (xact_id, id, known)
join stream_changes c on c.xact_id = w.xact_id::xid8 and c.id = w.id and c.user_id = $5
cross join lateral unnest(c.ids) as r (ids)
join matches m on m.id >= lower(r.ids) and m.id < upper(r.ids) and m.id > w.known
order by c.xact_id, c.id, m.id
limit $4
