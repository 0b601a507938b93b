-- $1 chain. Up to which block its logs have been looked through (null: not at all), and up to which they can be.
select s.last_block, c.finalized_block_number as finalized_block
from checkpoints c
left join unknown_log_scans s using (chain_id)
where c.chain_id = $1
