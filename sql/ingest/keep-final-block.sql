-- $1 chain, $2 a block that is final, $3 its hash. The first hash that was seen stays: a different one is what alerts are about.
with kept as (
  insert into final_blocks (chain_id, block_number, block_hash) values ($1, $2, $3)
  on conflict do nothing
  returning 1
), dropped as (
  delete from final_blocks
  where chain_id = $1 and block_number < (
    select block_number from final_blocks where chain_id = $1 order by block_number desc offset 98 limit 1
  )
)
select count(*) as kept from kept
