-- A page of attempts, the newest first. $1 delivery, $2 trigger, $3 status (each null: any), $4 and $5 executed_at and id of the last
-- attempt of the page before (null: the first page), $6 how many at most.
select
  r.id, r.delivery_id, r.job_id, r.trigger_id, r.event_id, r.action_type, r.status, r.executed_at, r.duration_ms, r.error_message,
  r.response_data, r.retry_count,
  array[r.executed_at::text, r.id] as page_key
from action_results r
where ($1::uuid is null or r.delivery_id = $1)
  and ($2::text is null or r.trigger_id = $2)
  and ($3::text is null or r.status = $3)
  and ($4::text is null or (r.executed_at, r.id) < ($4::text::timestamptz, $5::text))
order by r.executed_at desc, r.id desc
limit $6
