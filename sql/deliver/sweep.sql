-- $1 how long, in ms, a job may wait before it is added again.
-- Deliveries whose worker gave no sign of life go back to pending, and the attempt that nobody saw the end of is recorded.
-- One that took its worker down at the last attempt of its schedule is not tried for ever: what became of it is unknown.
-- Enqueued ones whose job may be lost go back too (a job that comes late finds nothing to do).
-- What waits for a destination that is gone fails, so that it can be found and retried; what has none any more is cancelled.
with dead as (
  select d.id, d.attempts - d.attempts_before < coalesce((a.config ->> 'max_attempts')::integer, 8) as goes_on,
    -- Its match was retracted while it was tried: it is not tried again, unless the match comes back.
    d.kind = 'match' and exists (select from matches m where m.id = d.match_id and m.status = 'retracted') as is_gone
  from deliveries d
  left join trigger_actions a on a.id = d.action_id
  where d.state = 'running' and d.lease_until < now()
  for update of d skip locked
),
lost as (
  update deliveries d
  set
    state = case when dead.is_gone then 'cancelled' when dead.goes_on then 'pending' else 'unknown' end,
    finished_at = case when dead.goes_on and not dead.is_gone then null else now() end,
    retracted = d.retracted or dead.is_gone,
    due_at = now(), lease_until = null,
    error_message = 'the worker ' || d.worker_id || ' ended during attempt ' || d.attempts
  from dead
  where d.id = dead.id
  returning d.*
),
recorded as (
  insert into action_results
    (delivery_id, job_id, trigger_id, event_id, action_type, status, executed_at, duration_ms, error_message, retry_count)
  select l.id, l.id || '-' || (l.attempts - 1), l.trigger_id, l.event_id, l.action_type,
    case l.state when 'pending' then 'retrying' else 'failed' end, l.started_at,
    extract(epoch from now() - l.started_at) * 1000, l.error_message, l.attempts - 1
  from lost l
  on conflict (delivery_id, retry_count) do nothing
  returning id
),
straggling as (
  select d.id
  from deliveries d
  where d.state = 'enqueued' and d.enqueued_at < now() - $1 * interval '1 millisecond'
  for update skip locked
),
returned as (
  update deliveries d
  set state = 'pending', due_at = now()
  from straggling
  where d.id = straggling.id
  returning d.id
),
refused as (
  update deliveries d
  set state = 'failed', finished_at = now(), error_message = 'its destination is disabled: ' || x.disabled_reason
  from destinations x
  where d.state = 'pending' and x.id = d.destination_id and x.disabled_at is not null
  returning d.id
),
-- The first of a batch stands for the others: where it has ended by itself (somebody cancelled it), they go on without it.
ungrouped as (
  update deliveries d
  set batch_id = null
  where d.state = 'pending' and d.batch_id is not null and d.batch_id <> d.id
    and not exists (
      select from deliveries l where l.id = d.batch_id and l.state in ('pending', 'enqueued', 'running')
    )
  returning d.id
),
homeless as (
  update deliveries d
  set state = 'cancelled', finished_at = now(), error_message = 'its destination was deleted'
  where d.state = 'pending' and d.destination_id is null
  returning d.id
)
select
  (select count(*) from lost) as lost,
  (select count(*) from recorded) as recorded,
  (select count(*) from refused) as refused,
  (select count(*) from homeless) as homeless,
  (select count(*) from ungrouped) as ungrouped,
  (select count(*) from returned) as straggling
