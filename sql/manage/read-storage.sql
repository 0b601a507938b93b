-- How events are kept: hypertable (TimescaleDB) or partitions (native).
select case
  when exists (select from pg_partitioned_table where partrelid = to_regclass('events')) then 'partitions'
  else 'hypertable'
end as storage
where to_regclass('events') is not null
