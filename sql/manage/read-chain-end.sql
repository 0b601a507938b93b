-- $1 chain. How far it is known: its last complete block, and the time of that or of the last event up to it.
select
  p.last_block_number,
  greatest(
    p.last_block_time,
    (
      select e.block_time from events e
      where e.chain_id = $1 and e.block_number <= p.last_block_number
      order by e.block_number desc, e.log_index desc
      limit 1
    )
  ) as last_block_time
from checkpoints p
where p.chain_id = $1
