-- Trigger $1 of user $2 (null: of any) with its actions, held against other writers. Rows that refer to it can still be made meanwhile.
select
  t.id, t.user_id, t.version, t.paused_at,
  coalesce(
    (
      select jsonb_agg(
        jsonb_build_object('id', a.id, 'action_type', a.action_type, 'config', a.config) order by a.position
      )
      from trigger_actions a
      where a.trigger_id = t.id
    ),
    '[]'
  ) as actions
from triggers t
where t.id = $1 and ($2::text is null or t.user_id = $2)
for no key update of t
