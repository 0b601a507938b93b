-- Destination $1 of user $2 (null: of any) is used again as if nothing had happened, at once. last_error stays, to be read.
with changed as (
  update destinations d
  set breaker = 'closed', failures = 0, times_opened = 0, opened_at = null, probe_at = null, next_at = '-infinity',
    disabled_at = null, disabled_reason = null
  from destinations b
  where b.id = d.id and d.id = $1 and ($2::text is null or d.user_id = $2)
  returning d.id, d.user_id, b.breaker, b.disabled_reason
),
audited as (
  select count(
    write_audit(
      c.user_id, 'destination.reset', 'destination', c.id::text,
      jsonb_build_object('breaker', c.breaker, 'disabled_reason', c.disabled_reason),
      jsonb_build_object('breaker', 'closed', 'disabled_reason', null)
    )
  ) as rows
  from changed c
),
resolved as (
  update alerts l
  set resolved_at = now()
  from changed c
  where l.destination_id = c.id and l.resolved_at is null
  returning l.id
)
select c.id, (select count(*) from resolved) as resolved, pg_notify('delivery_pending', '') as notified
from changed c
cross join audited
