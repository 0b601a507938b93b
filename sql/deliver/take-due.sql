-- $1 how many destinations at most, $2 the destination after which to begin. Pending deliveries whose time has come, and whose destination
-- can take them, become enqueued. Destinations are held meanwhile, so that no two relays fill the same room; one that another relay is
-- at is left to it. Returns one row for each job that is to be added: of a batch, its first delivery.
with recursive waiting (destination_id) as (
  -- One look into the index for each destination that has something pending, however much that is.
  select min(d.destination_id) from deliveries d where d.state = 'pending' and d.destination_id > $2
  union all
  select (select min(d.destination_id) from deliveries d where d.state = 'pending' and d.destination_id > w.destination_id)
  from waiting w
  where w.destination_id is not null
),
held as (
  select x.*
  from waiting w
  join destinations x on x.id = w.destination_id
  where x.disabled_at is null
    and (x.breaker = 'closed' or x.probe_at <= now())
    -- A burst of a second is let through.
    and x.next_at <= now() + greatest(interval '1 second' - coalesce(1 / x.per_second_max, 1) * interval '1 second', interval '0')
    and exists (select from deliveries d where d.destination_id = x.id and d.state = 'pending' and d.due_at <= now())
  limit $1
  for update of x skip locked
),
ready as (
  select h.id, h.breaker, h.per_second_max, h.next_at,
    least(
      100,
      case h.breaker when 'closed' then h.in_flight_max else 1 end - (
        select count(*)
        from deliveries d
        where d.destination_id = h.id and d.state in ('enqueued', 'running') and (d.batch_id is null or d.batch_id = d.id)
      ),
      1 + floor(
        greatest(1 - 1 / h.per_second_max, 0) * h.per_second_max
        - extract(epoch from greatest(h.next_at, now()) - now()) * h.per_second_max
      )
    ) as room
  from held h
),
chosen as (
  select r.id as destination_id, d.id, d.batch_id, d.action_id, d.kind,
    (a.config -> 'batch' ->> 'max')::integer as batch_max,
    row_number() over (partition by d.action_id, d.batch_id, d.kind order by d.due_at, d.id) as place
  from ready r
  cross join lateral (
    select o.*
    from (
      select d.id, d.batch_id, d.action_id, d.kind, d.priority, d.due_at
      from deliveries d
      where d.destination_id = r.id and d.state = 'pending' and d.due_at <= now()
        and (d.batch_id is null or d.batch_id = d.id)
      order by d.due_at
      limit 200
    ) o
    order by o.priority, o.due_at
    limit greatest(r.room, 0)
  ) d
  left join trigger_actions a on a.id = d.action_id and d.kind = 'match'
),
-- The first delivery of a batch stands for the others.
leads as (
  select * from chosen where batch_max is null or batch_id is not null or place = 1
),
members as (
  select d.id, l.id as batch_id
  from leads l
  cross join lateral (
    select d.id
    from deliveries d
    where l.batch_id is null and d.destination_id = l.destination_id and d.state = 'pending' and d.action_id = l.action_id
      and d.batch_id is null and d.kind = 'match' and d.id <> l.id and d.due_at is not null
    order by d.due_at
    limit l.batch_max - 1
  ) d
  where l.batch_max is not null
  union all
  select d.id, l.id
  from leads l
  join deliveries d on d.batch_id = l.batch_id and d.id <> l.id and d.state = 'pending'
),
taken as (
  select l.id, case when l.batch_max is not null then l.id else l.batch_id end as batch_id, true as leads from leads l
  union all
  select m.id, m.batch_id, false from members m
),
enqueued as (
  update deliveries d
  set state = 'enqueued', enqueued_at = now(), enqueues = d.enqueues + 1, batch_id = t.batch_id
  from taken t
  where d.id = t.id and d.state = 'pending'
  returning d.id, d.enqueues, d.priority, d.destination_id, t.leads
),
counted as (
  update destinations x
  set breaker = case x.breaker when 'open' then 'half_open' else x.breaker end,
    next_at = case
      when x.per_second_max is null then x.next_at
      else greatest(x.next_at, now()) + e.jobs / x.per_second_max * interval '1 second'
    end
  from (select destination_id, count(*) as jobs from enqueued where leads group by destination_id) e
  where x.id = e.destination_id and (x.breaker = 'open' or x.per_second_max is not null)
  returning x.id
)
select
  e.id, e.enqueues, e.priority,
  (select count(*) from held) as destinations,
  (select max(h.id) from held h) as last_destination,
  (select count(*) from counted) as counted
from enqueued e
where e.leads
