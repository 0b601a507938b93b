-- $1 trigger, $2 actions as a JSON array: id, position, priority, alerts, finality, on_retraction, config.
update trigger_actions a
set position = n.position, priority = n.priority, alerts = n.alerts, finality = n.finality, on_retraction = n.on_retraction, config = n.config
from jsonb_to_recordset($2::jsonb) as n (
  id bigint, position integer, priority integer, alerts boolean, finality jsonb, on_retraction text, config jsonb
)
where a.trigger_id = $1 and a.id = n.id
