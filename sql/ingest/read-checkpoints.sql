-- $1 chains. How far each of them has been indexed, and when that last changed.
select chain_id, last_block_number, updated_at
from checkpoints
where chain_id = any($1::bigint[])
