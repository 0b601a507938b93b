-- $1 chain. How many there are at each stage of the way, and how far each stage has come.
select
  (select count(*) from events e where e.chain_id = $1) as events,
  (select count(*) from matches m where m.chain_id = $1) as matches,
  d.deliveries, d.succeeded, d.failed, d.open,
  (select count(*) from action_results) as results,
  (select p.last_block_number from checkpoints p where p.chain_id = $1) as indexed_block,
  (select c.block_number from matcher_cursors c where c.chain_id = $1) as matched_block
from (
  select
    count(*) as deliveries,
    count(*) filter (where state = 'succeeded') as succeeded,
    count(*) filter (where state in ('failed', 'cancelled', 'unknown')) as failed,
    count(*) filter (where state in ('pending', 'enqueued', 'running')) as open
  from deliveries
) d
