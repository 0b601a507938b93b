-- $1 chain, $2 first and $3 last block, $4 all logs of the registries in these blocks.
-- Keeps those that are no events, and how far the chain has been looked through.
with kept as (
  insert into unknown_logs (
    id, chain_id, block_number, block_hash, transaction_hash, transaction_index, log_index, contract_address, topics, data
  )
  select
    l.id, $1, l.block_number, l.block_hash, l.transaction_hash, l.transaction_index, l.log_index, l.contract_address, l.topics, l.data
  from jsonb_to_recordset($4::jsonb) as l (
    id text, block_number bigint, block_hash text, transaction_hash text, transaction_index integer, log_index integer,
    contract_address text, topics text[], data text)
  where l.id not in (
    select e.id from events e where e.chain_id = $1 and e.block_number between $2::bigint and $3::bigint
  )
  on conflict do nothing
  returning 1
), moved as (
  insert into unknown_log_scans (chain_id, last_block) values ($1, $3::bigint)
  on conflict (chain_id) do update set last_block = excluded.last_block, updated_at = now()
)
select count(*) as kept from kept
