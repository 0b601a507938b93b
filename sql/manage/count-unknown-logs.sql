-- Per chain and contract: how many of its logs no decoder understands, and where the newest is.
select
  u.chain_id, u.contract_address, count(*) as logs, max(u.block_number) as newest_block,
  array_agg(distinct coalesce(u.topics[1], 'none')) as topics
from unknown_logs u
where not exists (
  select from events e where e.chain_id = u.chain_id and e.block_number = u.block_number and e.log_index = u.log_index and e.id = u.id
)
group by u.chain_id, u.contract_address
order by u.chain_id, u.contract_address
