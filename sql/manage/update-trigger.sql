-- $1 trigger, $2 name, $3 description, $4 chain, $5 registry, $6 enabled, $7 circuit breaker, $8 finality, $9 from block, $10 warm up,
-- $11 cooldown, $12 max fires, $13 whether it remembers anything, $14 conditions as a JSON array, which are not stored yet.
-- Whoever enables a trigger asks for what happens from now on. Then, and when it looks at something else, it begins a new generation.
with stored as (
  select
    t.enabled,
    (t.chain_id, t.registry, t.from_block, t.warm_up) as place,
    coalesce(
      (
        select jsonb_agg(
          jsonb_build_object(
            'condition_type', c.condition_type, 'field', c.field, 'operator', c.operator, 'value', c.value,
            'config', c.config
          ) order by c.position
        )
        from trigger_conditions c
        where c.trigger_id = t.id
      ),
      '[]'
    ) as conditions
  from triggers t
  where t.id = $1
),
compared as (
  select
    (s.enabled is false and $6::boolean)
      or s.place is distinct from ($4::bigint, $5::text, $9::bigint, $10::boolean)
      or s.conditions <> $14::jsonb as is_new
  from stored s
)
update triggers t
set
  name = $2,
  description = $3,
  chain_id = $4,
  registry = $5,
  enabled = $6,
  circuit_breaker = $7,
  finality = $8,
  from_block = $9,
  warm_up = $10,
  cooldown = $11,
  max_fires = $12,
  is_stateful = $13,
  version = t.version + 1,
  generation = t.generation + c.is_new::integer,
  paused_at = case when not c.is_new then t.paused_at end,
  paused_reason = case when not c.is_new then t.paused_reason end,
  active_since = case when $6 and not t.enabled then date_trunc('second', now()) else t.active_since end
from compared c
where t.id = $1
