-- A page of attempts, the newest first. $1 delivery, $2 trigger, $3 status (each null: any), $4 and $5 executed_at and id of the last
-- attempt of the page before (null: the first page), $6 how many at most, $7 user (null: any).
-- An attempt is of whose trigger it is of or, if that was deleted, of whose destination its delivery goes to.
select
  r.id, r.delivery_id, r.job_id, r.trigger_id, r.event_id, r.action_type, r.status, r.executed_at, r.duration_ms, r.error_message,
  r.response_data, r.retry_count,
  array[r.executed_at::text, r.id] as page_key
from action_results r
where ($1::uuid is null or r.delivery_id = $1)
  and ($2::text is null or r.trigger_id = $2)
  and ($3::text is null or r.status = $3)
  and (
    $7::text is null
    or r.trigger_id in (select t.id from triggers t where t.user_id = $7)
    or (r.trigger_id is null and exists (
      select from deliveries d join destinations x on x.id = d.destination_id where d.id = r.delivery_id and x.user_id = $7
    ))
  )
  and ($4::text is null or (r.executed_at, r.id) < ($4::text::timestamptz, $5::text))
order by r.executed_at desc, r.id desc
limit $6
