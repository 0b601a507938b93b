-- $1 tries. Files whose last try ended with the process that made it.
with finished as (
  update event_files
  set status = 'failed', error = coalesce(error, 'every process that fetched it died'), fetched_at = now(),
    worker_id = null, lease_until = null
  where status = 'waiting' and lease_until <= now() and attempts >= $1
  returning chain_ids
)
select pg_notify('file_ready', chain::text) from (select distinct unnest(chain_ids) as chain from finished) chains
