-- $1 trigger, $2 actions as a JSON array: position, action_type, priority, alerts, finality, on_retraction, config.
insert into trigger_actions (trigger_id, position, action_type, priority, alerts, finality, on_retraction, config)
select $1, n.position, n.action_type, n.priority, n.alerts, n.finality, n.on_retraction, n.config
from jsonb_to_recordset($2::jsonb) as n (
  position integer, action_type text, priority integer, alerts boolean, finality jsonb, on_retraction text, config jsonb
)
order by n.position
