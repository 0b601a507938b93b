-- $1 chains. The newest finalized event of each of them: a block that no reorganisation may touch any more.
select chain.id as chain_id, newest.block_number, newest.block_hash
from unnest($1::bigint[]) as chain (id)
join checkpoints c on c.chain_id = chain.id
cross join lateral (
  select e.block_number, e.block_hash
  from events_canonical e
  where e.chain_id = chain.id and e.block_number <= c.finalized_block_number
  order by e.block_number desc
  limit 1
) newest
