-- $1 key, $2 worker, $3 attempt, $4 status, $5 error, $6 hash verdict, $7 content as JSON text, $8 size. Only who holds it may say.
with finished as (
  update event_files
  set status = $4, error = $5, hash_verdict = $6, content = $7::text::jsonb, size_bytes = $8, fetched_at = now(),
    worker_id = null, lease_until = null
  where key = $1 and worker_id = $2 and attempts = $3 and status = 'waiting'
  returning chain_ids
)
select pg_notify('file_ready', chain::text) from finished, unnest(chain_ids) as chain
