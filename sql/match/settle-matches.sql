-- $1 chain, $2 block. The fold has come to the end of this block again: matches in question up to it that were not decided once more do
-- not stand. Not so where the trigger has changed since, or no longer runs: there only the loss of the event counts.
with doubtful as (
  select m.id,
    (
      exists (select from newest_event_status s where s.event_id = m.event_id and s.status = 'retracted')
      or (t.enabled and t.generation = m.generation)
    ) is true as falls
  from matches m
  left join triggers t on t.id = m.trigger_id
  where m.chain_id = $1 and m.in_question and m.block_number <= $2
    -- One that is behind its chain has yet to come there; not so if it does not run any more.
    and not exists (
      select from trigger_progress p
      where p.trigger_id = m.trigger_id and p.generation = m.generation and p.block_number <= m.block_number
        and t.enabled and t.generation = m.generation
    )
),
settled as (
  update matches m
  set in_question = false,
    status = case when d.falls then 'retracted' else m.status end,
    retractions = m.retractions + d.falls::integer
  from doubtful d
  where m.id = d.id
  returning m.id, m.retractions, d.falls
),
-- What was not sent never will be; a try that failed is not made again.
cancelled as (
  update deliveries d
  set state = 'cancelled', retracted = true, finished_at = now(), error_message = 'its event left the canonical chain before it was sent'
  from settled s
  where s.falls and d.match_id = s.id and d.kind = 'match' and d.state in ('pending', 'enqueued')
  returning d.id
),
unreinstated as (
  update deliveries d
  set state = 'cancelled', finished_at = now(), error_message = 'its event left the canonical chain again'
  from settled s
  where s.falls and d.match_id = s.id and d.kind = 'reinstatement' and d.state in ('pending', 'enqueued') and d.attempts = 0
  returning d.id
),
told as (
  insert into deliveries
    (kind, original_id, match_id, trigger_id, action_id, occurrence, chain_id, event_id, block_time, action_type, priority, destination_id)
  select 'retraction', d.id, d.match_id, d.trigger_id, d.action_id, 'retraction:' || s.retractions || ':' || d.id,
    d.chain_id, d.event_id, d.block_time, d.action_type, d.priority, d.destination_id
  from settled s
  join deliveries d on d.match_id = s.id and d.kind = 'match' and d.attempts > 0
  join trigger_actions a on a.id = d.action_id and a.on_retraction = 'notify'
  where s.falls
  on conflict (trigger_id, action_id, occurrence) do nothing
  returning id
),
woken as (
  select pg_notify('delivery_pending', '') where exists (select from told)
)
select
  (select count(*) from settled where falls) as retracted,
  (select count(*) from cancelled) + (select count(*) from unreinstated) as cancelled,
  (select count(*) from told) as told,
  (select count(*) from woken) as notified
