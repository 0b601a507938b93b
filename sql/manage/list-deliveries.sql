-- A page of deliveries, the newest first. $1 trigger, $2 state (each null: any), $3 and $4 created_at and id of the last delivery of
-- the page before (null: the first page), $5 how many at most.
select
  d.id, d.match_id, d.trigger_id, d.action_id, d.occurrence, d.event_id, d.block_time, d.action_type, d.priority, d.state, d.attempts,
  d.due_at, d.enqueued_at, d.started_at, d.finished_at, d.error_message, d.created_at, d.updated_at,
  array[d.created_at::text, d.id::text] as page_key
from deliveries d
where ($1::text is null or d.trigger_id = $1)
  and ($2::text is null or d.state = $2)
  and ($3::text is null or (d.created_at, d.id) < ($3::text::timestamptz, $4::text::uuid))
order by d.created_at desc, d.id desc
limit $5
