-- One batch of deliveries in state $1, the oldest first, gets a whole new schedule each. $2 trigger, $3 destination, $4 the time since
-- which it ended (each null: any), $5 and $6 created_at and id of the last delivery of the batch before (null: the first batch):
-- one that has failed again meanwhile is not retried twice. $7 how many at most, $8 user (null: any). Wakes the relay. What somebody else is changing at
-- this moment is left to them.
with chosen as (
  select d.id, d.created_at, (select a.destination_id from trigger_actions a where a.id = d.action_id) as current_destination
  from deliveries d
  where d.state = $1
    and d.action_id is not null
    and ($2::text is null or d.trigger_id = $2)
    and ($3::text is null or d.action_id = any (array(select x.id from trigger_actions x where x.destination = $3)))
    and ($4::timestamptz is null or d.finished_at >= $4)
    and (
      $8::text is null
      or d.trigger_id in (select t.id from triggers t where t.user_id = $8)
      or d.destination_id in (select x.id from destinations x where x.user_id = $8)
    )
    and ($5::text is null or (d.created_at, d.id) > ($5::text::timestamptz, $6::text::uuid))
  order by d.created_at, d.id
  limit $7
  for update skip locked
),
retried as (
  update deliveries d
  set state = 'pending', due_at = now(), waits_on = null, waits_for = null, retracted = false, attempts_before = d.attempts, finished_at = null, error_message = null,
    batch_id = null, destination_id = coalesce(chosen.current_destination, d.destination_id)
  from chosen
  where d.id = chosen.id
  returning d.id
),
woken as (
  select count(pg_notify('delivery_pending', '')) as notified where exists (select from retried)
),
audited as (
  select count(
    write_audit(
      $8, 'delivery.retry_all', 'delivery', null, jsonb_build_object('state', $1::text),
      jsonb_strip_nulls(jsonb_build_object(
        'state', 'pending', 'retried', (select count(*) from retried), 'trigger_id', $2::text, 'destination', $3::text, 'since', $4::timestamptz
      ))
    )
  ) as rows
  where exists (select from retried)
)
select
  (select count(*) from retried) as retried,
  (select notified from woken) as notified,
  (select rows from audited) as audited,
  (
    select array[c.created_at::text, c.id::text]
    from chosen c
    order by c.created_at desc, c.id desc
    limit 1
  ) as last_key
