-- $1 how many at most, $2 how many from one host at once, over all workers, $3 tries, $4 worker, $5 lease in ms.
with recursive hosts as (
  (select f.host from event_files f where f.status = 'waiting' order by f.host limit 1)
  union all
  select (select f.host from event_files f where f.status = 'waiting' and f.host > h.host order by f.host limit 1)
  from hosts h where h.host is not null
), running as materialized (
  select f.host, count(*) as running from event_files f where f.status = 'waiting' and f.lease_until > now() group by f.host
), due as (
  select d.key
  from hosts h
  left join running r on r.host = h.host
  cross join lateral (
    select f.key, f.due_at from event_files f
    where f.host = h.host and f.status = 'waiting' and f.due_at <= now() and f.attempts < $3
      and (f.lease_until is null or f.lease_until <= now())
    order by f.due_at
    limit greatest(0, case when h.host like '%:' then $1 else $2 - coalesce(r.running, 0) end)
  ) d
  where h.host is not null
  order by d.due_at
  limit $1
), picked as (
  select f.key from event_files f join due using (key) for update of f skip locked
)
update event_files f
set attempts = f.attempts + 1, worker_id = $4, lease_until = now() + $5 * interval '1 millisecond'
from picked p
where f.key = p.key and f.status = 'waiting' and (f.lease_until is null or f.lease_until <= now())
returning f.key, f.uri, f.expected_hash, f.attempts
