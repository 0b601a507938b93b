-- $1 trigger, $2 event, $3 its occurrence: what the trigger has stored about it. Of one occurrence there can be up to three: it fired for
-- the event, for the want of another, and a digest names it.
select
  m.id, m.trigger_id, m.trigger_version, m.generation, m.chain_id, m.occurrence, m.event_id, m.block_number, m.block_time, m.evidence,
  m.kind, m.status, m.retractions, m.history, m.created_at
from matches m
where m.trigger_id = $1 and (m.occurrence in ($3, $3 || '#absence', $3 || '#digest') or m.event_id = $2)
order by m.id
