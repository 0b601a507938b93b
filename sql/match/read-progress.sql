-- $1 chain, $2 triggers. Where they stand, apart from their chain.
select trigger_id, generation, start_block, start_log, start_seq, block_number, log_index
from trigger_progress
where chain_id = $1 and trigger_id = any($2::text[])
