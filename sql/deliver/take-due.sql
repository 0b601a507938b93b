-- $1 how many at most. Pending deliveries whose time has come become enqueued; their jobs are added before this commits.
with due as (
  select d.id
  from deliveries d
  where d.state = 'pending' and d.due_at <= now()
  order by d.due_at
  limit $1
  for update skip locked
)
update deliveries d
set state = 'enqueued', enqueued_at = now()
from due
where d.id = due.id
returning d.id, d.attempts, d.priority
