-- Up Migration

-- Compressed rows lie in batches, and what TimescaleDB knows of a batch without opening it is the least and the greatest value of each column
-- that it is ordered by. The order of the chain comes first: the matcher reads along it, and pages of the API nearly so. The time and the order
-- of arrival are ordered by for their bounds: a matcher that looks for what has come since opens no old batch. Chunks that are compressed
-- already stay as they are.
do $$
begin
  if events_are_hypertable() and coalesce(current_setting('timescaledb.license', true), '') = 'timescale' then
    execute $compression$
      alter table events set (
        timescaledb.compress_segmentby = 'chain_id',
        timescaledb.compress_orderby = 'block_number desc, log_index desc, block_time desc, seq desc'
      )
    $compression$;
  end if;
end $$;

-- Down Migration

do $$
begin
  if events_are_hypertable() and coalesce(current_setting('timescaledb.license', true), '') = 'timescale' then
    execute $compression$
      alter table events set (
        timescaledb.compress_segmentby = 'chain_id',
        timescaledb.compress_orderby = 'block_time desc, log_index desc'
      )
    $compression$;
  end if;
end $$;
