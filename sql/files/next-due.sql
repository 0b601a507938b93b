-- In how many ms the next file is due that nobody fetches.
select ceil(extract(epoch from min(greatest(due_at, coalesce(lease_until, due_at))) - now()) * 1000)::integer as due_in_ms
from event_files where status = 'waiting'
