-- $1 trigger, $2 actions as a JSON array: id, position, priority, config.
update trigger_actions a
set position = n.position, priority = n.priority, config = n.config
from jsonb_to_recordset($2::jsonb) as n (id bigint, position integer, priority integer, config jsonb)
where a.trigger_id = $1 and a.id = n.id
