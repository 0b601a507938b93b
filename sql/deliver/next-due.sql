-- Milliseconds until the next pending delivery is due; null when there is none.
select ceil(extract(epoch from min(due_at) - now()) * 1000)::bigint as due_in_ms
from deliveries
where state = 'pending'
