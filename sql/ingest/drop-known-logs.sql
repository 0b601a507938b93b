-- $1 chain. A newer decoder can have made events of what was unknown.
delete from unknown_logs u
where u.chain_id = $1
  and exists (
    select from events e where e.chain_id = u.chain_id and e.block_number = u.block_number and e.log_index = u.log_index and e.id = u.id
  )
