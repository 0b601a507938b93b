-- $1 matches as a JSON array, $2 last block of the chain, $3 its last final block. Stores those that are new, with one delivery for each
-- action of their trigger, and wakes the relay. One that was stored before is no longer in question: confirm-matches.sql does the rest.
with found as (
  select *
  from jsonb_to_recordset($1::jsonb) as m (
    trigger_id text, trigger_version integer, generation integer, kind text, chain_id bigint, occurrence text,
    event_id text, block_number bigint, block_time timestamptz, evidence jsonb
  )
),
decided as (
  insert into matches as m
    (trigger_id, trigger_version, generation, kind, chain_id, occurrence, event_id, block_number, block_time, evidence)
  select trigger_id, trigger_version, generation, kind, chain_id, occurrence, event_id, block_number, block_time, evidence
  from found
  on conflict (trigger_id, occurrence) do update set
    in_question = false,
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
  -- 0: no row was there to be changed.
  returning m.id, m.trigger_id, m.chain_id, m.occurrence, m.event_id, m.block_number, m.block_time, m.xmax = 0 as is_new
),
new_matches as (
  select * from decided where is_new
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
woken as (
  select pg_notify('delivery_pending', '') where exists (select from intended)
)
select
  (select count(*) from new_matches) as matches,
  (select count(*) from intended) as deliveries,
  (select count(*) from woken) as notified,
  (select coalesce(array_agg(d.id), '{}') from decided d where not d.is_new) as confirmed
