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
  returning id, trigger_id, occurrence, event_id, block_time
),
intended as (
  insert into deliveries (match_id, trigger_id, action_id, occurrence, event_id, block_time, action_type, priority)
  select m.id, m.trigger_id, a.id, m.occurrence, m.event_id, m.block_time, a.action_type, a.priority
  from decided m
  join trigger_actions a on a.trigger_id = m.trigger_id
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
