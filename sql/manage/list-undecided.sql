-- $1 trigger, $2 id of the last row of the page before (null: the first page), $3 how many at most. The events about which it could not
-- decide, the newest first.
select
  u.id, u.trigger_id, u.trigger_version, u.chain_id, u.event_id, u.block_number, u.block_time, u.reason, u.created_at,
  array[u.id::text] as page_key
from undecided_events u
where u.trigger_id = $1 and ($2::bigint is null or u.id < $2)
order by u.id desc
limit $3
