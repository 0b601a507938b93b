-- $1 chain, $2 rows as a JSON array. A trigger that is gone meanwhile needs none.
insert into trigger_progress as p (trigger_id, chain_id, generation, start_block, start_log, start_seq, block_number, log_index)
select r.trigger_id, $1, r.generation, r.start_block, r.start_log, r.start_seq, r.block_number, r.log_index
from jsonb_to_recordset($2::jsonb) as r (
  trigger_id text, generation integer, start_block bigint, start_log integer, start_seq bigint, block_number bigint, log_index integer
)
join triggers t on t.id = r.trigger_id
on conflict (trigger_id) do update set
  chain_id = excluded.chain_id,
  generation = excluded.generation,
  start_block = excluded.start_block,
  start_log = excluded.start_log,
  start_seq = excluded.start_seq,
  block_number = excluded.block_number,
  log_index = excluded.log_index
