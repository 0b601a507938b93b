-- Delivery $1 of user $2 (null: of any) gets a whole new schedule, if it has ended without success and its action is still there. Wakes the relay.
with retried as (
  update deliveries d
  set state = 'pending', due_at = now(), waits_on = null, waits_for = null, retracted = false, attempts_before = d.attempts, finished_at = null, error_message = null,
    batch_id = null, destination_id = coalesce(a.destination_id, d.destination_id)
  from trigger_actions a, deliveries b
  where b.id = d.id and d.id = $1 and d.state in ('failed', 'unknown', 'cancelled') and a.id = d.action_id
    and (
      $2::text is null
      or d.trigger_id in (select t.id from triggers t where t.user_id = $2)
      or d.destination_id in (select x.id from destinations x where x.user_id = $2)
    )
  returning
    d.id, d.kind, d.match_id, d.trigger_id, d.action_id, d.occurrence, d.event_id, d.block_time, d.action_type, a.destination, d.priority,
    d.state, d.attempts, d.due_at, d.waits_on, d.waits_for, d.original_id, d.enqueued_at, d.started_at, d.finished_at, d.error_message, d.created_at, d.updated_at,
    b.state as state_before, d.destination_id
),
woken as (
  select count(pg_notify('delivery_pending', '')) as notified where exists (select from retried)
),
audited as (
  select count(
    write_audit(
      coalesce(
        $2,
        (select t.user_id from triggers t where t.id = r.trigger_id),
        (select x.user_id from destinations x where x.id = r.destination_id)
      ),
      'delivery.retry', 'delivery', r.id::text, jsonb_build_object('state', r.state_before), jsonb_build_object('state', r.state)
    )
  ) as rows
  from retried r
)
select
  r.id, r.kind, r.match_id, r.trigger_id, r.action_id, r.occurrence, r.event_id, r.block_time, r.action_type, r.destination, r.priority,
  r.state, r.attempts, r.due_at, r.waits_on, r.waits_for, r.original_id, r.enqueued_at, r.started_at, r.finished_at, r.error_message, r.created_at, r.updated_at
from retried r
cross join woken
cross join audited
