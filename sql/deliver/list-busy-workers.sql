-- Who says to be running deliveries.
select distinct worker_id from deliveries where state = 'running'
