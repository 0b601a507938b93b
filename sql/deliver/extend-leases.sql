-- $1 worker, $2 lease in ms. A sign of life for everything that the worker runs.
update deliveries
set lease_until = now() + $2 * interval '1 millisecond'
where worker_id = $1 and state = 'running'
