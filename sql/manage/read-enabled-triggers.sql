-- The enabled triggers of chain $1 with their conditions, for a matcher that compiles them all.
select
  t.id, t.version, t.chain_id, t.registry, t.active_since,
  coalesce(
    json_agg(
      json_build_object(
        'position', c.position, 'condition_type', c.condition_type,
        'field', c.field, 'operator', c.operator, 'value', c.value
      ) order by c.position
    ) filter (where c.id is not null),
    '[]'
  ) as conditions
from triggers t
left join trigger_conditions c on c.trigger_id = t.id
where t.chain_id = $1 and t.enabled
group by t.id
order by t.id
