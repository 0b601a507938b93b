-- The enabled triggers of chain $1 with their conditions, as a matcher compiles them: those with the ids $2, or (null) all.
select
  t.id, t.version, t.generation, t.chain_id, t.registry, t.active_since, t.from_block, t.warm_up, t.cooldown, t.max_fires,
  coalesce(
    json_agg(
      json_build_object(
        'position', c.position, 'condition_type', c.condition_type,
        'field', c.field, 'operator', c.operator, 'value', c.value, 'config', c.config
      ) order by c.position
    ) filter (where c.id is not null),
    '[]'
  ) as conditions
from triggers t
left join trigger_conditions c on c.trigger_id = t.id
where t.chain_id = $1 and t.enabled and ($2::text[] is null or t.id = any($2))
group by t.id
order by t.id
