select
  current_setting('server_version') as version,
  exists (select from pg_available_extensions where name = 'timescaledb') as timescaledb_available
