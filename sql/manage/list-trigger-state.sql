-- $1 trigger, $2 generation, $3 scope (null: all), $4 position and $5 scope of the last row of the page before (null: the first page),
-- $6 how many at most. What the trigger remembers, the trigger's own first.
select
  s.position, s.scope, s.state, s.wake_at, s.updated_at,
  array[s.position::text, s.scope] as page_key
from trigger_state s
where s.trigger_id = $1 and s.generation = $2
  and ($3::text is null or s.scope = $3)
  and ($4::integer is null or (s.position, s.scope) > ($4, $5::text))
order by s.position, s.scope
limit $6
