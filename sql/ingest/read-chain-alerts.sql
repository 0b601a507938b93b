-- The open alerts about chains, the oldest first.
select id, kind, chain_id, message, detail, created_at
from alerts
where user_id is null and resolved_at is null
order by created_at, id
