-- $1 chains, $2 Ponder schema. How far each chain is final and complete, and how far Ponder has read it. No row: nothing is known of it.
select
  chain_id,
  least(c.finalized_block_number, c.last_block_number) as finalized_block,
  c.last_block_number as last_block,
  p.block_number as read_block
from ponder_read_blocks($2) p
full join checkpoints c using (chain_id)
where chain_id = any($1::bigint[])
