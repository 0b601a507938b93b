-- $1 chain, $2 its last block, $3 its last final block. Deliveries that waited for these become due, unless their match is in question.
with released as (
  update deliveries d
  set waits_on = null, waits_for = null,
    due_at = now() + coalesce(
      (select (a.config -> 'batch' ->> 'wait')::interval from trigger_actions a where a.id = d.action_id), interval '0')
  from matches m
  where m.id = d.match_id and not m.in_question and d.state = 'pending' and d.chain_id = $1
    and ((d.waits_on = 'head' and d.waits_for <= $2) or (d.waits_on = 'finalized' and d.waits_for <= $3))
  returning d.id
),
woken as (
  select pg_notify('delivery_pending', '') where exists (select from released)
)
select (select count(*) from released) as released, (select count(*) from woken) as notified
