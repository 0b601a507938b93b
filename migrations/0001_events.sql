-- Up Migration

-- What the chains said. Rows are written by the ingest functions of 0002 and are never updated or deleted.
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
) partition by range (block_time);

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
