-- $1 triggers that cannot be evaluated, as a JSON array: trigger_id, version, reason. They are switched off, and their owners told.
with failed as (
  select * from jsonb_to_recordset($1::jsonb) as f (trigger_id text, version integer, reason text)
),
paused as (
  update triggers t
  set enabled = false, paused_at = now(), paused_reason = f.reason
  from failed f
  where t.id = f.trigger_id and t.version = f.version and t.enabled
  returning t.id, t.user_id, t.name, f.reason
),
alerted as (
  insert into alerts (user_id, kind, message)
  select p.user_id, 'trigger_paused', format('The trigger "%s" (%s) is paused: %s', p.name, p.id, p.reason)
  from paused p
  returning id
)
select (select count(*) from paused) as paused, (select count(*) from alerted) as alerts
