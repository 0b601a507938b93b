-- The enabled triggers of chain $1 with their conditions, as a matcher compiles them: those with the ids $2, or (null) all. By id, after $3,
-- at most $4 (null: all).
select
  t.id, t.version, t.generation, t.chain_id, t.registry, t.active_since, t.from_block, t.warm_up, t.cooldown, t.max_fires,
  coalesce(
    (
      select json_agg(
        json_build_object(
          'position', c.position, 'condition_type', c.condition_type,
          'field', c.field, 'operator', c.operator, 'value', c.value, 'config', c.config
        ) order by c.position
      )
      from trigger_conditions c
      where c.trigger_id = t.id
    ),
    '[]'
  ) as conditions
from triggers t
where t.chain_id = $1 and t.enabled and ($2::text[] is null or t.id = any($2)) and t.id > coalesce($3::text, '')
order by t.id
limit $4
