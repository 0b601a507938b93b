-- Up Migration

-- Whether this database can keep events in a TimescaleDB hypertable. Creating an extension whose library is not preloaded
-- ends the session, so it is tried only where the loader shows that it is there.
create function timescaledb_ready() returns boolean language plpgsql as $$
begin
  if exists (select from pg_extension where extname = 'timescaledb') then
    return true;
  end if;
  if not exists (select from pg_available_extensions where name = 'timescaledb')
    or (current_setting('timescaledb.disable_load', true) is null
        and not exists (select from pg_settings
                        where name = 'shared_preload_libraries' and setting like '%timescaledb%')) then
    return false;
  end if;
  create extension timescaledb;
  return true;
exception when insufficient_privilege or undefined_file or feature_not_supported then
  raise notice 'timescaledb is available but could not be created (%): events are kept in native partitions', sqlerrm;
  return false;
end $$;

-- What the chains said. Rows are written by the ingest functions of 0002 and are never updated or deleted.
-- One column list, two storages: a hypertable where TimescaleDB is at hand, native range partitions otherwise.
do $storage$
declare
  hypertable constant boolean := timescaledb_ready();
begin
  execute $columns$
    create table events (
      -- {chain_id}-{block_number}-{log_index}-{first 16 hex digits of the block hash}
      id                text        not null,
      -- Order of arrival. Gaps are harmless.
      seq               bigint      not null generated always as identity,
      chain_id          bigint      not null,
      block_number      bigint      not null,
      block_hash        text        not null,
      -- The block's own time, so that the same log written again conflicts instead of doubling.
      block_time        timestamptz not null,
      transaction_hash  text        not null,
      transaction_index integer     not null,
      log_index         integer     not null,
      contract_address  text        not null,
      registry          text        not null check (registry in ('identity', 'reputation', 'validation')),
      event_type        text        not null,
      -- {chain_id}-{transaction_hash}-{hash of address, topics and data}-{ordinal among equal logs of the transaction}
      occurrence        text        not null,

      agent_id          numeric(78, 0),

      -- identity
      owner             text,
      previous_owner    text,
      token_uri         text,
      updated_by        text,
      metadata_key      text,
      metadata_value    text,

      -- reputation
      client_address    text,
      feedback_index    numeric(20, 0),
      value             numeric(78, 0),
      value_decimals    smallint,
      -- value / 10^value_decimals, exactly
      score             numeric,
      tag1              text,
      tag2              text,
      endpoint          text,
      file_uri          text,
      file_hash         text,
      responder         text,

      -- validation
      validator_address text,
      request_uri       text,
      request_hash      text,
      response          smallint,
      response_uri      text,
      response_hash     text,
      tag               text,

      args              jsonb       not null,
      topics            text[]      not null,
      data              text        not null,
      created_at        timestamptz not null default now(),

      primary key (id, block_time)
    )
  $columns$ || case when hypertable then '' else ' partition by range (block_time)' end;

  if hypertable then
    perform create_hypertable('events', 'block_time',
      chunk_time_interval => interval '7 days', create_default_indexes => false);
  else
    create table events_default partition of events default;
  end if;
end $storage$;

-- Makes the monthly partitions from the first deployment of the registries up to the given time; returns how many were new.
-- Does nothing on a hypertable, which makes its own chunks. Rows that came before their partition stay in events_default.
create function ensure_events_partitions(until timestamptz) returns integer language plpgsql as $$
declare
  month timestamp;
  partition_name text;
  made integer := 0;
begin
  if not exists (select from pg_partitioned_table where partrelid = 'events'::regclass) then
    return 0;
  end if;
  for month in select generate_series(timestamp '2025-10-01', until at time zone 'utc', interval '1 month') loop
    partition_name := 'events_' || to_char(month, 'YYYY_MM');
    continue when to_regclass(partition_name) is not null;
    begin
      execute format('create table %I partition of events for values from (%L) to (%L)',
        partition_name, month at time zone 'utc', (month + interval '1 month') at time zone 'utc');
      made := made + 1;
    exception when check_violation then
      raise notice '% stays in events_default: it already holds rows of that month', partition_name;
    end;
  end loop;
  return made;
end $$;

select ensure_events_partitions(now() + interval '3 months');

create index events_chain_position on events (chain_id, block_number, log_index);
create index events_chain_seq on events (chain_id, seq);
create index events_agent on events (chain_id, agent_id) where agent_id is not null;
create index events_registry_type on events (registry, event_type);
create index events_transaction on events (transaction_hash);

-- Retractions and reinstatements, in the order in which they were noticed. The newest row of an event decides.
create table event_status (
  id           bigint      primary key generated always as identity,
  event_id     text        not null,
  chain_id     bigint      not null,
  block_number bigint      not null,
  block_time   timestamptz not null,
  status       text        not null check (status in ('retracted', 'reinstated')),
  reason       text        not null,
  created_at   timestamptz not null default now()
);

create index event_status_event on event_status (event_id, id);
create index event_status_chain on event_status (chain_id, id);

-- How far each chain has been indexed: everything up to last_block_number is in events.
create table checkpoints (
  chain_id               bigint      primary key,
  last_block_number      bigint      not null,
  last_block_hash        text,
  finalized_block_number bigint      not null,
  created_at             timestamptz not null default now(),
  updated_at             timestamptz not null default now()
);

-- Down Migration

drop table checkpoints;
drop table event_status;
drop table events;
drop function ensure_events_partitions(timestamptz);
drop function timescaledb_ready();
