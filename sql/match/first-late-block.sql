-- $1 chain, $2 seq and $3 status already seen, $4 block and $5 log of the position, $6 the finalized block when that
-- position was reached. The first block after it, at or before the position, in which something happened that was not seen yet.
select min(late.block_number) as block_number
from (
  select e.block_number
  from events e
  where e.chain_id = $1 and e.seq > $2 and (e.block_number, e.log_index) <= ($4::bigint, $5::integer)
  union all
  select s.block_number
  from event_status s
  where s.chain_id = $1 and s.id > $3 and s.block_number <= $4::bigint
) late
where late.block_number > $6::bigint
