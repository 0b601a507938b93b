-- Delivery $1 of user $2 (null: of any) gets a whole new schedule, if it has ended without success and its action is still there. Wakes the relay.
with retried as (
  update deliveries d
  set state = 'pending', due_at = now(), waits_on = null, waits_for = null, retracted = false, attempts_before = d.attempts, finished_at = null, error_message = null,
    batch_id = null, destination_id = coalesce(a.destination_id, d.destination_id)
  from trigger_actions a
  where d.id = $1 and d.state in ('failed', 'unknown', 'cancelled') and a.id = d.action_id
    and (
      $2::text is null
      or d.trigger_id in (select t.id from triggers t where t.user_id = $2)
      or d.destination_id in (select x.id from destinations x where x.user_id = $2)
    )
  returning
    d.id, d.kind, d.match_id, d.trigger_id, d.action_id, d.occurrence, d.event_id, d.block_time, d.action_type, a.destination, d.priority,
    d.state, d.attempts, d.due_at, d.waits_on, d.waits_for, d.original_id, d.enqueued_at, d.started_at, d.finished_at, d.error_message, d.created_at, d.updated_at
),
woken as (
  select count(pg_notify('delivery_pending', '')) as notified where exists (select from retried)
)
select r.*
from retried r
cross join woken
