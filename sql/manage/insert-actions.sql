-- $1 trigger, $2 actions as a JSON array: position, action_type, priority, alerts, config.
insert into trigger_actions (trigger_id, position, action_type, priority, alerts, config)
select $1, n.position, n.action_type, n.priority, n.alerts, n.config
from jsonb_to_recordset($2::jsonb) as n (position integer, action_type text, priority integer, alerts boolean, config jsonb)
order by n.position
