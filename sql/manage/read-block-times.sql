-- $1 chain, $2 first and $3 last block. The times of the first and the last event in these blocks; null: there is none.
select
  (
    select block_time from events where chain_id = $1 and block_number between $2 and $3 order by block_number limit 1
  ) as first,
  (
    select block_time from events where chain_id = $1 and block_number between $2 and $3 order by block_number desc limit 1
  ) as last
