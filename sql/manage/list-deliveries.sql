-- A page of deliveries, the newest first. $1 trigger, $2 state, $3 destination, $4 the time since which it ended or, if it has not
-- ended, was made (each null: any), $5 and $6 created_at and id of the last delivery of the page before (null: the first page),
-- $7 how many at most, $8 kind, $9 user (null: any).
-- A delivery is of whose trigger it is of and, since a trigger can be deleted, of whose destination it goes to.
select
  d.id, d.kind, d.match_id, d.trigger_id, d.action_id, d.occurrence, d.event_id, d.block_time, d.action_type, a.destination, d.priority,
  d.state, d.attempts, d.due_at, d.waits_on, d.waits_for, d.original_id, d.enqueued_at, d.started_at, d.finished_at, d.error_message, d.created_at, d.updated_at,
  array[d.created_at::text, d.id::text] as page_key
from deliveries d
left join trigger_actions a on a.id = d.action_id
where ($1::text is null or d.trigger_id = $1)
  and ($2::text is null or d.state = $2)
  and ($3::text is null or d.action_id = any (array(select x.id from trigger_actions x where x.destination = $3)))
  and ($4::timestamptz is null or d.finished_at >= $4 or (d.finished_at is null and d.created_at >= $4))
  and ($8::text is null or d.kind = $8)
  and (
    $9::text is null
    or d.trigger_id in (select t.id from triggers t where t.user_id = $9)
    or d.destination_id in (select x.id from destinations x where x.user_id = $9)
  )
  and ($5::text is null or (d.created_at, d.id) < ($5::text::timestamptz, $6::text::uuid))
order by d.created_at desc, d.id desc
limit $7
