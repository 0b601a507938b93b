-- Deliveries by state, by partial indexes: succeeded ones, which are nearly all, are in none and left out. With the age of the pending
-- one that has been due for longest.
select 'pending' as state, count(*) as count,
  coalesce(extract(epoch from now() - min(due_at) filter (where due_at <= now())), 0)::float8 as overdue_seconds
from deliveries where state = 'pending'
union all
select s.state, (select count(*) from deliveries d where d.state = s.state and d.state in ('enqueued', 'running')), 0
from unnest(array['enqueued', 'running']) as s (state)
union all
select s.state, (select count(*) from deliveries d where d.state = s.state), 0
from unnest(array['failed', 'unknown', 'cancelled']) as s (state)
