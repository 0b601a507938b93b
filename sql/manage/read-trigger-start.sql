-- $1 trigger. Where this generation of it began, and where the matcher is with it. Without a row of
-- trigger_progress of this generation the matcher has not seen it yet.
select
  p.start_block, p.start_log, p.start_seq,
  p.block_number as behind_block, p.log_index as behind_log,
  c.block_number, c.log_index
from triggers t
left join trigger_progress p on p.trigger_id = t.id and p.generation = t.generation
left join matcher_cursors c on c.chain_id = t.chain_id
where t.id = $1
