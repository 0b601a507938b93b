-- The trigger $1 of user $2 (null: of any) as a document. As in read-triggers.sql, but for a single one, so that Postgres plans it once and not for
-- each array of ids: planning takes three times as long as reading.
select
  t.id, t.version, t.generation, t.name, t.description, t.chain_id, t.registry, t.enabled, t.circuit_breaker,
  t.finality, t.from_block, t.warm_up, t.cooldown, t.max_fires, t.is_stateful, t.paused_at, t.paused_reason,
  t.active_since, t.created_at, t.updated_at,
  coalesce(
    (
      select json_agg(
        json_build_object(
          'condition_type', c.condition_type, 'field', c.field, 'operator', c.operator, 'value', c.value,
          'config', c.config
        ) order by c.position
      )
      from trigger_conditions c
      where c.trigger_id = $1
    ),
    '[]'
  ) as conditions,
  coalesce(
    (
      select json_agg(
        json_build_object(
          'id', a.id, 'action_type', a.action_type, 'destination_id', a.destination_id, 'priority', a.priority, 'alerts', a.alerts,
          'finality', a.finality, 'on_retraction', a.on_retraction,
          'config', a.config
        )
        order by a.position
      )
      from trigger_actions a
      where a.trigger_id = $1
    ),
    '[]'
  ) as actions
from triggers t
where t.id = $1 and ($2::text is null or t.user_id = $2)
