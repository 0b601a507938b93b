-- $1 trigger, $2 actions as a JSON array: id, position, priority, alerts, config.
update trigger_actions a
set position = n.position, priority = n.priority, alerts = n.alerts, config = n.config
from jsonb_to_recordset($2::jsonb) as n (id bigint, position integer, priority integer, alerts boolean, config jsonb)
where a.trigger_id = $1 and a.id = n.id
