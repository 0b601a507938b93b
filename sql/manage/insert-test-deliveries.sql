-- One delivery of kind test for each action of trigger $1 that is among $2 (null: all), for the event in payload $3. $4 its occurrence,
-- new for every test. Where they go is found as for a match: an action without a destination of its own goes to the agent that the
-- event is about. Wakes the relay.
with chosen as (
  select a.id as action_id, a.action_type, a.priority, a.position, a.destination_id, t.user_id,
    'agent:' || ($3::jsonb -> 'event' ->> 'chain_id') || ':' || ($3::jsonb -> 'event' ->> 'agent_id') as agent
  from trigger_actions a
  join triggers t on t.id = a.trigger_id
  where a.trigger_id = $1 and ($2::bigint[] is null or a.id = any ($2))
),
agents as (
  insert into destinations (user_id, action_type, address)
  select distinct user_id, action_type, agent from chosen where destination_id is null
  on conflict (user_id, action_type, address) do update set address = excluded.address
  returning id, user_id, action_type, address
),
intended as (
  insert into deliveries (kind, payload, trigger_id, action_id, occurrence, event_id, block_time, action_type, priority, destination_id)
  select 'test', $3, $1, c.action_id, $4, $3::jsonb -> 'event' ->> 'id', ($3::jsonb -> 'event' ->> 'block_time')::timestamptz,
    c.action_type, c.priority, coalesce(c.destination_id, g.id)
  from chosen c
  left join agents g on c.destination_id is null and g.user_id = c.user_id and g.action_type = c.action_type and g.address = c.agent
  order by c.position
  returning id, action_id
),
woken as (
  select count(pg_notify('delivery_pending', '')) as notified where exists (select from intended)
),
audited as (
  select count(
    write_audit(
      (select c.user_id from chosen c limit 1), 'trigger.test', 'trigger', $1, null,
      jsonb_build_object('deliveries', (select jsonb_agg(i.id) from intended i))
    )
  ) as rows
  where exists (select from intended)
)
select i.id, i.action_id
from intended i
join chosen c on c.action_id = i.action_id
cross join woken
cross join audited
order by c.position
