-- $1 triggers, $2 generations, $3 positions, $4 scopes, side by side. The states of these, where there are any.
select s.trigger_id, s.generation, s.position, s.scope, s.state, s.wake_at
from unnest($1::text[], $2::integer[], $3::integer[], $4::text[]) as k (trigger_id, generation, position, scope)
join trigger_state s using (trigger_id, generation, position, scope)
