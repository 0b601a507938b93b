-- $1 matches that were decided once more, $2 last block of their chain, $3 its last final block. They stand (again): deliveries that were
-- cancelled with them come back, and whoever was told of a retraction hears of it.
with known as (
  select id, status, retractions, event_id, block_number, block_time, trigger_id from matches where id = any ($1::bigint[])
),
standing as (
  update matches m set status = 'standing' from known k where m.id = k.id and k.status = 'retracted'
  returning m.id
),
-- What was cancelled when the match was retracted is wanted again; the rest keeps what it did, for the event as it is now.
revived as (
  update deliveries d
  set event_id = m.event_id,
    block_time = m.block_time,
    state = case when d.retracted then 'pending' else d.state end,
    finished_at = case when d.retracted then null else d.finished_at end,
    error_message = case when d.retracted then null else d.error_message end,
    -- One that still waits now waits for the block that the event is in.
    waits_on = case when d.retracted or d.waits_on is not null then w.waits_on end,
    waits_for = case when d.retracted or d.waits_on is not null then w.waits_for end,
    due_at = case
      when not d.retracted and d.waits_on is null then d.due_at
      when w.waits_on is null then now()
    end,
    retracted = false
  from known m
  join triggers t on t.id = m.trigger_id
  join trigger_actions a on a.trigger_id = t.id
  cross join lateral waits(coalesce(a.finality, t.finality), m.block_number, $2, $3) as w
  where d.match_id = m.id and d.action_id = a.id and d.kind = 'match'
    and (d.retracted or d.event_id <> m.event_id or (d.waits_on is not null and d.waits_for <> w.waits_for))
  returning d.id, d.retracted
),
-- Who was told of the retraction hears that the event is back; who was not told yet need not hear of either.
untold as (
  update deliveries d
  set state = 'cancelled', finished_at = now(), error_message = 'its event is on the canonical chain again'
  from known m
  where m.status = 'retracted' and d.match_id = m.id and d.kind = 'retraction' and d.state in ('pending', 'enqueued') and d.attempts = 0
  returning d.original_id
),
told as (
  insert into deliveries
    (kind, original_id, match_id, trigger_id, action_id, occurrence, chain_id, event_id, block_time, action_type, priority, destination_id)
  select 'reinstatement', o.id, m.id, o.trigger_id, o.action_id, 'reinstatement:' || m.retractions || ':' || o.id,
    o.chain_id, m.event_id, m.block_time, o.action_type, o.priority, o.destination_id
  from known m
  join deliveries o on o.match_id = m.id and o.kind = 'match'
  join deliveries t on t.original_id = o.id and t.kind = 'retraction'
    and t.occurrence = 'retraction:' || m.retractions || ':' || o.id
    and t.state <> 'cancelled' and not (t.state in ('pending', 'enqueued') and t.attempts = 0)
  where m.status = 'retracted'
  on conflict (trigger_id, action_id, occurrence) do nothing
  returning id
),
woken as (
  select pg_notify('delivery_pending', '') where exists (select from revived) or exists (select from told)
)
select
  (select count(*) from standing) as reinstated,
  (select count(*) from untold) + (select count(*) from woken) as told
