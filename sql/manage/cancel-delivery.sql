-- Delivery $1 of user $2 (null: of any) is cancelled, if it has not begun. The job that it may have finds nothing to do.
with cancelled as (
  update deliveries d
  set state = 'cancelled', finished_at = now(), error_message = 'cancelled on request'
  from deliveries b
  where b.id = d.id and d.id = $1 and d.state in ('pending', 'enqueued')
    and (
      $2::text is null
      or d.trigger_id in (select t.id from triggers t where t.user_id = $2)
      or d.destination_id in (select x.id from destinations x where x.user_id = $2)
    )
  returning d.*, b.state as state_before
),
audited as (
  select count(
    write_audit(
      coalesce(
        $2,
        (select t.user_id from triggers t where t.id = c.trigger_id),
        (select x.user_id from destinations x where x.id = c.destination_id)
      ),
      'delivery.cancel', 'delivery', c.id::text, jsonb_build_object('state', c.state_before), jsonb_build_object('state', c.state)
    )
  ) as rows
  from cancelled c
)
select
  d.id, d.kind, d.match_id, d.trigger_id, d.action_id, d.occurrence, d.event_id, d.block_time, d.action_type, a.destination, d.priority,
  d.state, d.attempts, d.due_at, d.waits_on, d.waits_for, d.original_id, d.enqueued_at, d.started_at, d.finished_at, d.error_message, d.created_at, d.updated_at
from cancelled d
cross join audited
left join trigger_actions a on a.id = d.action_id
