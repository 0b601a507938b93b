-- $1 worker, $2 lease in ms, $3 what the worker is at. A sign of life for these, and for no other: a delivery whose end could
-- not be recorded is no longer worked on, and its lease must run out.
update deliveries
set lease_until = now() + $2 * interval '1 millisecond'
where (id = any ($3::uuid[]) or batch_id = any ($3::uuid[])) and worker_id = $1 and state = 'running'
