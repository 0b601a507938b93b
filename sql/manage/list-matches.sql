-- A page of matches, the newest first. $1 trigger (null: any), $2 id of the last match of the page before (null: the first page),
-- $3 how many at most, $4 user (null: any). Of a trigger that was deleted a match is of whose destination a delivery of it goes to.
select
  m.id, m.trigger_id, m.trigger_version, m.chain_id, m.occurrence, m.event_id, m.block_number, m.block_time, m.evidence, m.kind, m.status,
  m.retractions, m.history, m.created_at,
  array[m.id::text] as page_key
from matches m
where ($1::text is null or m.trigger_id = $1)
  and (
    $4::text is null
    or m.trigger_id in (select t.id from triggers t where t.user_id = $4)
    or (m.trigger_id is null and exists (
      select from deliveries d join destinations x on x.id = d.destination_id where d.match_id = m.id and x.user_id = $4
    ))
  )
  and ($2::bigint is null or m.id < $2)
order by m.id desc
limit $3
