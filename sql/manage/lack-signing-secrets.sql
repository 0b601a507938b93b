-- The destinations of the rest actions of trigger $1 that have no signing secret.
select distinct x.id as destination_id, x.user_id
from trigger_actions a
join destinations x on x.id = a.destination_id
where a.trigger_id = $1
  and a.action_type = 'rest'
  and not exists (select from destination_secrets s where s.destination_id = x.id and s.expires_at is null)
