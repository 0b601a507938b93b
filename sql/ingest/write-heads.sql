-- $1 what was seen of chains, as a JSON array: chain_id, start_block, head_block, head_hash, head_time, answered (whether the endpoint
-- answered this time), read_block, blocks_per_second, waiting_since. A head that is not known leaves the last one standing.
insert into chain_heads as h (
  chain_id, start_block, head_block, head_hash, head_time, answered_at, read_block, blocks_per_second, waiting_since, looked_at
)
select s.chain_id, s.start_block, s.head_block, s.head_hash, s.head_time, case when s.answered then clock_timestamp() end,
  s.read_block, s.blocks_per_second, s.waiting_since, clock_timestamp()
from jsonb_to_recordset($1::jsonb) as s (
  chain_id bigint, start_block bigint, head_block bigint, head_hash text, head_time timestamptz, answered boolean,
  read_block bigint, blocks_per_second double precision, waiting_since timestamptz)
on conflict (chain_id) do update set
  start_block = excluded.start_block,
  head_block = coalesce(excluded.head_block, h.head_block),
  head_hash = case when excluded.head_block is null then h.head_hash else excluded.head_hash end,
  head_time = case when excluded.head_block is null then h.head_time else excluded.head_time end,
  answered_at = coalesce(excluded.answered_at, h.answered_at),
  read_block = excluded.read_block,
  blocks_per_second = excluded.blocks_per_second,
  waiting_since = excluded.waiting_since,
  looked_at = excluded.looked_at
