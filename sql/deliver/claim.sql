-- $1 delivery, $2 worker, $3 lease in ms. Compare-and-set: of all jobs and workers that look at a delivery, one gets a row back.
-- A delivery whose job arrives before the relay's commit is still pending here; it may run if its time has come.
with claimed as (
  update deliveries d
  set state = 'running', attempts = d.attempts + 1, worker_id = $2, started_at = now(),
    lease_until = now() + $3 * interval '1 millisecond'
  where d.id = $1 and (d.state = 'enqueued' or (d.state = 'pending' and d.due_at <= now()))
  returning d.*
)
select
  c.id, c.attempts, c.attempts_before, c.trigger_id, c.event_id, c.block_time, c.action_type,
  a.config,
  case when t.id is not null then jsonb_build_object('id', t.id, 'name', t.name, 'version', m.trigger_version) end as trigger,
  m.evidence
from claimed c
join matches m on m.id = c.match_id
left join triggers t on t.id = c.trigger_id
left join trigger_actions a on a.id = c.action_id
