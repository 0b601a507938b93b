-- Every chain that has been looked at or indexed: where it is, and how far we are.
select
  chain_id, h.start_block, h.head_block, h.head_time, h.answered_at, h.looked_at, h.read_block, h.blocks_per_second, h.waiting_since,
  c.last_block_number as last_block,
  c.last_block_time,
  -- Blocks that are read again were final before, and are not all there yet.
  least(c.finalized_block_number, c.last_block_number) as finalized_block,
  m.block_number as matched_block,
  coalesce((
    select array_agg(l.kind order by l.kind) from alerts l
    where l.chain_id = c.chain_id and l.user_id is null and l.resolved_at is null
  ), '{}') as alerts,
  clock_timestamp() as now
from chain_heads h
full join checkpoints c using (chain_id)
left join matcher_cursors m using (chain_id)
order by chain_id
