-- $1 key, $2 worker, $3 attempt, $4 due in ms, $5 what the try said; null: it was not really made.
update event_files
set worker_id = null, lease_until = null, due_at = now() + $4 * interval '1 millisecond',
  error = coalesce($5, error), attempts = attempts - case when $5 is null then 1 else 0 end
where key = $1 and worker_id = $2 and attempts = $3 and status = 'waiting'
