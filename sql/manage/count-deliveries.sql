-- Deliveries by state, by partial indexes, each up to 100,000: succeeded ones, which are nearly all, are left out. With the age of the pending one that has
-- been due for longest: one look into the index for each destination that has something pending.
with recursive waiting (destination_id) as (
  select min(d.destination_id) from deliveries d where d.state = 'pending'
  union all
  select (select min(d.destination_id) from deliveries d where d.state = 'pending' and d.destination_id > w.destination_id)
  from waiting w
  where w.destination_id is not null
),
oldest as (
  select (select min(d.due_at) from deliveries d where d.state = 'pending' and d.destination_id = w.destination_id) as due_at
  from waiting w
  where w.destination_id is not null
  union all
  select min(d.due_at) from deliveries d where d.state = 'pending' and d.destination_id is null
)
select 'pending' as state,
  (select count(*) from (select from deliveries d where d.state = 'pending' limit 100000) d) as count,
  (select coalesce(extract(epoch from now() - min(o.due_at) filter (where o.due_at <= now())), 0)::float8 from oldest o) as overdue_seconds
union all
select s.state,
  (select count(*) from (
    select from deliveries d where d.state = s.state and d.state in ('enqueued', 'running') limit 100000
  ) d), 0
from unnest(array['enqueued', 'running']) as s (state)
union all
select s.state, (select count(*) from (select from deliveries d where d.state = s.state limit 100000) d), 0
from unnest(array['failed', 'unknown', 'cancelled']) as s (state)
