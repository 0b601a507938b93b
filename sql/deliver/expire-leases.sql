-- $1 workers that are known to be dead: what they ran need not be waited for.
update deliveries set lease_until = now() - interval '1 second' where state = 'running' and worker_id = any ($1::text[])
