-- $1 matches as a JSON array. Stores those that are new, with one delivery for each action of their trigger, and wakes the relay.
with found as (
  select *
  from jsonb_to_recordset($1::jsonb) as m (
    trigger_id text, trigger_version integer, chain_id bigint, occurrence text,
    event_id text, block_number bigint, block_time timestamptz, evidence jsonb
  )
),
decided as (
  insert into matches (trigger_id, trigger_version, chain_id, occurrence, event_id, block_number, block_time, evidence)
  select trigger_id, trigger_version, chain_id, occurrence, event_id, block_number, block_time, evidence
  from found
  on conflict (trigger_id, occurrence) do nothing
  returning id, trigger_id, chain_id, occurrence, event_id, block_time
),
-- An action without a destination of its own goes to the agent that the event is about.
agents as (
  select m.id as match_id, t.user_id, a.id as action_id, a.action_type, 'agent:' || m.chain_id || ':' || e.agent_id as address
  from decided m
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
intended as (
  insert into deliveries
    (match_id, trigger_id, action_id, occurrence, event_id, block_time, action_type, priority, destination_id, due_at)
  select m.id, m.trigger_id, a.id, m.occurrence, m.event_id, m.block_time, a.action_type, a.priority,
    coalesce(a.destination_id, r.destination_id),
    now() + coalesce((a.config -> 'batch' ->> 'wait')::interval, interval '0')
  from decided m
  join trigger_actions a on a.trigger_id = m.trigger_id
  left join resolved r on r.match_id = m.id and r.action_id = a.id
  on conflict (trigger_id, action_id, occurrence) do nothing
  returning id
),
woken as (
  select pg_notify('delivery_pending', '') where exists (select from intended)
)
select
  (select count(*) from decided) as matches,
  (select count(*) from intended) as deliveries,
  (select count(*) from woken) as notified
