-- $1 matches as a JSON array, $2 last block of the chain, $3 its last final block. Stores those that are new, with one delivery for each
-- action of their trigger, and wakes the relay. One that was stored before is confirmed, and comes back if it was retracted.
with found as (
  select *
  from jsonb_to_recordset($1::jsonb) as m (
    trigger_id text, trigger_version integer, generation integer, kind text, chain_id bigint, occurrence text,
    event_id text, block_number bigint, block_time timestamptz, evidence jsonb
  )
),
known as (
  select m.id, m.status from found f join matches m using (trigger_id, occurrence)
),
decided as (
  insert into matches as m
    (trigger_id, trigger_version, generation, kind, chain_id, occurrence, event_id, block_number, block_time, evidence)
  select trigger_id, trigger_version, generation, kind, chain_id, occurrence, event_id, block_number, block_time, evidence
  from found
  on conflict (trigger_id, occurrence) do update set
    in_question = false,
    status = 'standing',
    trigger_version = excluded.trigger_version,
    generation = excluded.generation,
    event_id = excluded.event_id,
    block_number = excluded.block_number,
    block_time = excluded.block_time,
    evidence = excluded.evidence,
    history = case
      when (m.event_id, m.evidence) = (excluded.event_id, excluded.evidence) then m.history
      else m.history || jsonb_build_object('event_id', m.event_id, 'evidence', m.evidence, 'at', now())
    end
  where m.in_question or m.status = 'retracted'
  returning m.id, m.trigger_id, m.chain_id, m.occurrence, m.event_id, m.block_number, m.block_time
),
new_matches as (
  select d.* from decided d where not exists (select from known k where k.id = d.id)
),
-- An action without a destination of its own goes to the agent that the event is about.
agents as (
  select m.id as match_id, t.user_id, a.id as action_id, a.action_type, 'agent:' || m.chain_id || ':' || e.agent_id as address
  from new_matches m
  join trigger_actions a on a.trigger_id = m.trigger_id and a.destination_id is null
  join triggers t on t.id = m.trigger_id
  join events e on e.id = m.event_id and e.block_time = m.block_time
),
new_destinations as (
  insert into destinations (user_id, action_type, address)
  select distinct user_id, action_type, address from agents
  on conflict (user_id, action_type, address) do nothing
  returning id, user_id, action_type, address
),
resolved as (
  select g.match_id, g.action_id, coalesce(n.id, x.id) as destination_id
  from agents g
  left join new_destinations n using (user_id, action_type, address)
  left join destinations x using (user_id, action_type, address)
),
wanted as (
  select m.*, a.id as action_id, a.action_type, a.priority, coalesce(a.destination_id, r.destination_id) as destination_id,
    coalesce((a.config -> 'batch' ->> 'wait')::interval, interval '0') as pause,
    w.*
  from new_matches m
  join triggers t on t.id = m.trigger_id
  join trigger_actions a on a.trigger_id = m.trigger_id
  left join resolved r on r.match_id = m.id and r.action_id = a.id
  cross join lateral waits(coalesce(a.finality, t.finality), m.block_number, $2, $3) as w
),
intended as (
  insert into deliveries
    (match_id, trigger_id, action_id, occurrence, chain_id, event_id, block_time, action_type, priority, destination_id,
      waits_on, waits_for, due_at)
  select w.id, w.trigger_id, w.action_id, w.occurrence, w.chain_id, w.event_id, w.block_time, w.action_type, w.priority, w.destination_id,
    w.waits_on, w.waits_for, case when w.waits_on is null then now() + w.pause end
  from wanted w
  on conflict (trigger_id, action_id, occurrence) do nothing
  returning id
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
  from decided m
  join known k on k.id = m.id
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
  from known k
  where k.status = 'retracted' and d.match_id = k.id and d.kind = 'retraction' and d.state in ('pending', 'enqueued') and d.attempts = 0
  returning d.original_id
),
told as (
  insert into deliveries
    (kind, original_id, match_id, trigger_id, action_id, occurrence, chain_id, event_id, block_time, action_type, priority, destination_id)
  select 'reinstatement', o.id, m.id, o.trigger_id, o.action_id, 'reinstatement:' || r.retractions || ':' || o.id,
    o.chain_id, m.event_id, m.block_time, o.action_type, o.priority, o.destination_id
  from known k
  join decided m on m.id = k.id
  join matches r on r.id = k.id
  join deliveries o on o.match_id = k.id and o.kind = 'match'
  join deliveries t on t.original_id = o.id and t.kind = 'retraction'
    and t.occurrence = 'retraction:' || r.retractions || ':' || o.id
    and t.state <> 'cancelled' and not (t.state in ('pending', 'enqueued') and t.attempts = 0)
  where k.status = 'retracted'
  on conflict (trigger_id, action_id, occurrence) do nothing
  returning id
),
woken as (
  select pg_notify('delivery_pending', '')
  where exists (select from intended) or exists (select from revived) or exists (select from told)
)
select
  (select count(*) from new_matches) as matches,
  (select count(*) from intended) as deliveries,
  (select count(*) from decided) - (select count(*) from new_matches) as confirmed,
  (select count(*) from untold) + (select count(*) from woken) as told
