-- $1 trigger, $2 conditions as a JSON array, in order.
insert into trigger_conditions (trigger_id, position, condition_type, field, operator, value, config)
select $1, c.number - 1, c.condition_type, c.field, c.operator, c.value, c.config
from rows from (
  jsonb_to_recordset($2::jsonb) as (condition_type text, field text, operator text, value jsonb, config jsonb)
) with ordinality as c (condition_type, field, operator, value, config, number)
