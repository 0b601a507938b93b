-- Delivery $1 of user $2 (null: of any).
select
  d.id, d.kind, d.match_id, d.trigger_id, d.action_id, d.occurrence, d.event_id, d.block_time, d.action_type, a.destination, d.priority,
  d.state, d.attempts, d.due_at, d.waits_on, d.waits_for, d.original_id, d.enqueued_at, d.started_at, d.finished_at, d.error_message, d.created_at, d.updated_at
from deliveries d
left join trigger_actions a on a.id = d.action_id
where d.id = $1
  and (
    $2::text is null
    or d.trigger_id in (select t.id from triggers t where t.user_id = $2)
    or d.destination_id in (select x.id from destinations x where x.user_id = $2)
  )
