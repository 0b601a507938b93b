-- $1 worker, $2 ended attempts as a JSON array, in the order in which they ended. Records each attempt, and changes its delivery only if
-- the claim still holds it. Then what they say of their destinations: failures in a row open the breaker, a success closes it.
-- `status` is null where no attempt was made (held back by a limit of ours): then none is recorded, nor counted.
with outcome as (
  select *
  from jsonb_to_recordset($2::jsonb) as o (
    number integer, id uuid, attempts integer, job_id text, state text, status text, due_in_ms bigint, error text,
    started_at timestamptz, duration_ms integer, response jsonb, signal text, pause_ms bigint
  )
),
attempt as (
  insert into action_results
    (delivery_id, job_id, trigger_id, event_id, action_type, status, executed_at, duration_ms, error_message, response_data, retry_count)
  select d.id, o.job_id, d.trigger_id, d.event_id, d.action_type, o.status, o.started_at, o.duration_ms, o.error, o.response, o.attempts - 1
  from outcome o
  join deliveries d on d.id = o.id
  where o.status is not null
  on conflict (delivery_id, retry_count) do update set
    status = excluded.status, executed_at = excluded.executed_at, duration_ms = excluded.duration_ms,
    error_message = excluded.error_message, response_data = excluded.response_data
  returning id
),
changed as (
  update deliveries d
  -- Its match was retracted while it was tried: it is not tried again, unless the match comes back.
  set state = case when g.is_gone then 'cancelled' else o.state end, retracted = d.retracted or g.is_gone, error_message = o.error, lease_until = null,
    attempts = case when o.status is null then d.attempts - 1 else d.attempts end,
    due_at = case when o.state = 'pending' then now() + o.due_in_ms * interval '1 millisecond' else d.due_at end,
    finished_at = case when o.state = 'pending' and not g.is_gone then null else now() end
  from outcome o
  cross join lateral (
    select o.state = 'pending' and exists (
      select from deliveries w join matches m on m.id = w.match_id
      where w.id = o.id and w.kind = 'match' and m.status = 'retracted'
    ) as is_gone
  ) g
  where d.id = o.id and d.state = 'running' and d.worker_id = $1 and d.attempts = o.attempts
  returning d.id, d.destination_id, d.trigger_id, d.action_id, d.event_id, d.block_time, o.number, o.state, o.signal, o.error,
    o.pause_ms, o.due_in_ms
),
signalled as (
  select c.*, max(c.number) filter (where c.signal = 'worked') over (partition by c.destination_id) as last_success
  from changed c
  where c.destination_id is not null
),
heard as (
  select
    s.destination_id,
    bool_or(s.signal = 'worked') as worked,
    count(*) filter (where s.signal = 'failed' and s.number > coalesce(s.last_success, -1)) as failures,
    max(s.pause_ms) as pause_ms,
    max(s.error) filter (where s.signal = 'gone') as gone,
    (array_agg(s.error order by s.number desc) filter (where s.signal in ('failed', 'gone')))[1] as last_error,
    (array_agg(s.id order by s.number desc) filter (where s.signal in ('failed', 'gone')))[1] as last_failure
  from signalled s
  group by s.destination_id
),
planned as (
  select x.id, x.user_id, x.address, x.breaker, x.times_opened, h.*,
    case when h.worked then 0 else x.failures end + h.failures as failures_now,
    (
      h.failures > 0 and x.disabled_at is null and case
        when x.breaker = 'half_open' and not h.worked then true
        when x.breaker = 'open' and not h.worked then false
        else case when h.worked then 0 else x.failures end + h.failures >= (t.circuit_breaker ->> 'failures')::integer
      end
    ) as opens,
    coalesce((t.circuit_breaker ->> 'open_for')::interval, interval '1 minute') as open_for,
    f.trigger_id, f.action_id, f.event_id, f.block_time
  from heard h
  join destinations x on x.id = h.destination_id
  left join changed f on f.id = h.last_failure
  left join triggers t on t.id = f.trigger_id
  -- A destination that works, as it did before, is not written to.
  where h.failures > 0 or h.gone is not null or h.pause_ms is not null or x.breaker <> 'closed' or x.failures > 0
  order by x.id
  for update of x
),
destined as (
  update destinations x
  set failures = p.failures_now,
    breaker = case
      when p.opens or (x.breaker = 'half_open' and not p.worked) then 'open'
      when p.worked then 'closed'
      else x.breaker
    end,
    times_opened = case when p.worked then 0 else x.times_opened end + p.opens::integer,
    opened_at = case when p.opens and x.breaker = 'closed' then now() when p.worked then null else x.opened_at end,
    -- A probe that said neither is repeated at once.
    probe_at = case
      when p.opens then now() + least(
        p.open_for * power(2, least(case when p.worked then 0 else x.times_opened end, 10)),
        greatest(p.open_for, interval '1 hour'))
      when x.breaker = 'half_open' and not p.worked then now()
      when p.worked then null
      else x.probe_at
    end,
    last_error = coalesce(p.last_error, x.last_error),
    next_at = greatest(x.next_at, now() + p.pause_ms * interval '1 millisecond'),
    disabled_at = case when p.gone is not null then coalesce(x.disabled_at, now()) else x.disabled_at end,
    disabled_reason = coalesce(x.disabled_reason, p.gone)
  from planned p
  where x.id = p.id
  returning x.id, x.breaker, x.disabled_at
),
alerted as (
  insert into alerts (user_id, kind, destination_id, message)
  select p.user_id, case when p.gone is null then 'breaker_open' else 'destination_gone' end, p.id,
    case
      when p.gone is null then format('%s failed %s times in a row, deliveries to it wait. Last: %s', p.address, p.failures_now, p.last_error)
      else format('%s is gone, nothing more is sent to it. It said: %s', p.address, p.gone)
    end
  from planned p
  where p.gone is not null or (p.opens and p.breaker = 'closed')
  returning id, kind, destination_id, message
),
told as (
  insert into deliveries (kind, trigger_id, action_id, occurrence, event_id, block_time, action_type, priority, destination_id, payload)
  select 'alert', p.trigger_id, a.id, 'alert:' || l.id, p.event_id, p.block_time, a.action_type, a.priority, a.destination_id,
    jsonb_build_object('alert', jsonb_build_object('id', l.id, 'kind', l.kind, 'message', l.message))
  from alerted l
  join planned p on p.id = l.destination_id
  join trigger_actions a on a.trigger_id = p.trigger_id and a.alerts and a.destination_id is distinct from p.id
  returning id
),
resolved as (
  update alerts l
  set resolved_at = now()
  from planned p
  where l.destination_id = p.id and p.worked and not p.opens and l.kind = 'breaker_open' and l.resolved_at is null
  returning l.id
),
woken as (
  -- The relay polls every few seconds; of a shorter pause than that it has to hear.
  select count(pg_notify('delivery_pending', '')) as notified
  where exists (select from changed where state = 'pending' and due_in_ms < 10000) or exists (select from told)
)
select
  o.id,
  exists (select from changed c where c.id = o.id) as held,
  (select count(*) from attempt) + (select count(*) from destined) + (select count(*) from resolved) as written,
  (select notified from woken) as notified
from outcome o
