-- $1 delivery, $2 worker, $3 attempts (as claimed), $4 new state, $5 milliseconds until it is due again, $6 error or null,
-- $7 job, $8 attempt status, $9 when the attempt began, $10 its duration in ms, $11 response.
-- Records the attempt; changes the delivery only if this claim still holds it.
with attempt as (
  insert into action_results
    (delivery_id, job_id, trigger_id, event_id, action_type, status, executed_at, duration_ms, error_message, response_data, retry_count)
  select d.id, $7, d.trigger_id, d.event_id, d.action_type, $8, $9, $10, $6, $11, $3::integer - 1
  from deliveries d
  where d.id = $1
  on conflict (delivery_id, retry_count) do update set
    status = excluded.status, executed_at = excluded.executed_at, duration_ms = excluded.duration_ms,
    error_message = excluded.error_message, response_data = excluded.response_data
  returning id
),
changed as (
  update deliveries d
  set state = $4, error_message = $6, lease_until = null,
    due_at = case when $4 = 'pending' then now() + $5 * interval '1 millisecond' else d.due_at end,
    finished_at = case when $4 = 'pending' then null else now() end
  where d.id = $1 and d.state = 'running' and d.worker_id = $2 and d.attempts = $3::integer
  returning d.id
),
woken as (
  -- The relay polls every few seconds; of a shorter pause than that it has to hear.
  select count(pg_notify('delivery_pending', '')) as notified
  where $4 = 'pending' and $5 < 10000 and exists (select from changed)
)
select
  exists (select from changed) as held,
  (select count(*) from attempt) as attempts,
  (select notified from woken) as notified
