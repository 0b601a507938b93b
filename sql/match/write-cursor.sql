-- $1 chain, $2 block and $3 log of the position, $4 seq and $5 status seen, $6 finalized block, $7 clock, $8 number of the step.
insert into matcher_cursors (chain_id, block_number, log_index, event_seq, status_id, finalized_block_number, clock, step)
values ($1, $2, $3, $4, $5, $6, coalesce($7::timestamptz, '-infinity'), $8)
on conflict (chain_id) do update set
  block_number = excluded.block_number,
  log_index = excluded.log_index,
  event_seq = excluded.event_seq,
  status_id = excluded.status_id,
  finalized_block_number = excluded.finalized_block_number,
  clock = excluded.clock,
  step = excluded.step,
  updated_at = now()
