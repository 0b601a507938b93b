-- $1 deliveries, $2 worker, $3 lease in ms. Compare-and-set: of all jobs and workers that look at a delivery, one gets a row back.
-- The deliveries of a batch come with the first of them.
with claimed as (
  update deliveries d
  set state = 'running', attempts = d.attempts + 1, worker_id = $2, started_at = now(),
    lease_until = now() + $3 * interval '1 millisecond'
  where (d.id = any ($1::uuid[]) or d.batch_id = any ($1::uuid[])) and d.state = 'enqueued'
  returning d.*
)
select
  c.id, c.attempts, c.attempts_before, c.kind, c.batch_id, c.trigger_id, c.event_id, c.block_time, c.action_type, c.payload, c.original_id,
  a.config, a.id as action_id,
  t.id as live_trigger_id, t.name as trigger_name, coalesce(m.trigger_version, t.version) as trigger_version, t.user_id,
  m.kind as match_kind, m.evidence,
  x.id as destination_id, x.address, x.secrets_revision
from claimed c
left join matches m on m.id = c.match_id
left join triggers t on t.id = c.trigger_id
left join trigger_actions a on a.id = c.action_id
left join destinations x on x.id = c.destination_id
order by c.block_time, c.id
