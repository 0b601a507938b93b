-- A page of matches, the newest first. $1 trigger (null: any), $2 id of the last match of the page before (null: the first page),
-- $3 how many at most.
select
  m.id, m.trigger_id, m.trigger_version, m.chain_id, m.occurrence, m.event_id, m.block_number, m.block_time, m.evidence, m.kind, m.status,
  m.retractions, m.history, m.created_at,
  array[m.id::text] as page_key
from matches m
where ($1::text is null or m.trigger_id = $1)
  and ($2::bigint is null or m.id < $2)
order by m.id desc
limit $3
