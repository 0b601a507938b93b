-- Up Migration

-- Logs of the registries that are no events: of a topic that no decoder knows, or with data that is not what their topic
-- declares. Only finalized blocks are looked through, so that no row has to be taken back. Nothing fires for them.
create table unknown_logs (
  -- As events.id.
  id                text        primary key,
  chain_id          bigint      not null,
  block_number      bigint      not null,
  block_hash        text        not null,
  transaction_hash  text        not null,
  transaction_index integer     not null,
  log_index         integer     not null,
  contract_address  text        not null,
  topics            text[]      not null,
  data              text        not null,
  created_at        timestamptz not null default now()
);

create index unknown_logs_contract on unknown_logs (chain_id, contract_address, block_number);

-- Up to which block each chain has been looked through.
create table unknown_log_scans (
  chain_id   bigint      primary key,
  last_block bigint      not null,
  updated_at timestamptz not null default now()
);

-- Registries of the first revisions (as in src/chains.ts). An agent there is another one than that of the same number in the
-- current registry, so no trigger watches them.
create table legacy_registries (
  chain_id         bigint not null,
  contract_address text   not null,
  primary key (chain_id, contract_address)
);

insert into legacy_registries values
  (11155111, '0x8004a6090cd10a7288092483047b097295fb8847'),
  (11155111, '0x8004b8fd1a363aa02fdc07635c0c5f94f6af5b7e'),
  (11155111, '0x8004cb39f29c09145f24ad9dde2a108c1a2cdfc5'),
  (84532, '0x8004aa63c570c570ebf15376c0db199918bfe9fb'),
  (84532, '0x8004bd8dab57f14ed299135749a5cb5c42d341bf'),
  (84532, '0x8004c269d0a5647e51e121feb226200ece932d55');

-- Down Migration

drop table legacy_registries;
drop table unknown_log_scans;
drop table unknown_logs;
