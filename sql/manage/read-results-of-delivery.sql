-- Every attempt at delivery $1, in order.
select
  r.id, r.delivery_id, r.job_id, r.trigger_id, r.event_id, r.action_type, r.status, r.executed_at, r.duration_ms, r.error_message,
  r.response_data, r.retry_count
from action_results r
where r.delivery_id = $1
order by r.retry_count
