-- Milliseconds until a pending delivery can be enqueued; null when there is none. What waits for room at its destination does not count:
-- the end of a call makes room, and wakes the relay. `crowded`: there is such a one.
with recursive waiting (destination_id) as (
  select min(d.destination_id) from deliveries d where d.state = 'pending'
  union all
  select (select min(d.destination_id) from deliveries d where d.state = 'pending' and d.destination_id > w.destination_id)
  from waiting w
  where w.destination_id is not null
),
next as (
  select
    greatest(
      d.due_at,
      case when x.breaker <> 'closed' then x.probe_at end,
      case when x.next_at > now() then x.next_at - greatest(1 - 1 / x.per_second_max, 0) * interval '1 second' end
    ) as at,
    (
      select count(*)
      from deliveries d
      where d.destination_id = x.id and d.state in ('enqueued', 'running') and (d.batch_id is null or d.batch_id = d.id)
    ) < case x.breaker when 'closed' then x.in_flight_max else 1 end as has_room
  from waiting w
  join destinations x on x.id = w.destination_id
  cross join lateral (
    select min(d.due_at) as due_at from deliveries d where d.destination_id = x.id and d.state = 'pending'
  ) d
  where x.disabled_at is null
)
select
  ceil(extract(epoch from min(at) filter (where has_room) - now()) * 1000)::bigint as due_in_ms,
  coalesce(bool_or(not has_room), false) as crowded
from next
