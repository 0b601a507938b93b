-- $1 trigger, $2 generation. What its limits held back, per limit: in all, and what no digest has told yet.
select
  s.position,
  sum((s.state ->> 'held_in_all')::bigint)::bigint as held_back,
  sum((s.state ->> 'held')::bigint)::bigint as untold,
  count(*) filter (where (s.state ->> 'held_in_all')::bigint > 0) as scopes
from trigger_state s
where s.trigger_id = $1 and s.generation = $2 and s.position < 0
group by s.position
order by s.position desc
