-- $1 chain, $2 block and $3 log of the position, $4 seq and $5 status seen, $6 finalized block.
insert into matcher_cursors (chain_id, block_number, log_index, event_seq, status_id, finalized_block_number)
values ($1, $2, $3, $4, $5, $6)
on conflict (chain_id) do update set
  block_number = excluded.block_number,
  log_index = excluded.log_index,
  event_seq = excluded.event_seq,
  status_id = excluded.status_id,
  finalized_block_number = excluded.finalized_block_number,
  updated_at = now()
