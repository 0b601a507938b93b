-- $1 chain. The final blocks whose hashes are known, the newest first.
select block_number, block_hash from final_blocks where chain_id = $1 order by block_number desc
