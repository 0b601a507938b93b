-- $1 chain. The triggers that do not go with their chain, and where they are.
select trigger_id, generation, block_number, log_index
from trigger_progress
where chain_id = $1 and block_number is not null
order by trigger_id
