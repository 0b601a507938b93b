-- Up Migration

-- Where a chain is, by its endpoint, beside how far we are (checkpoints): what progress and alerts are told from. A table of its own,
-- since Ponder's transactions hold the row of checkpoints for as long as a batch takes.
create table chain_heads (
  chain_id          bigint           primary key,
  -- Where reading begins.
  start_block       bigint           not null,
  -- Null until the endpoint has answered for the first time.
  head_block        bigint,
  head_hash         text,
  head_time         timestamptz,
  -- When the endpoint last answered.
  answered_at       timestamptz,
  -- How far Ponder has read. Behind checkpoints while known history is read again; null before it has begun.
  read_block        bigint,
  -- How fast that moves, over the last minute. Null where there is nothing to measure yet.
  blocks_per_second double precision,
  -- Since when blocks have come without Ponder getting further than ever before. Null: it does, or none comes.
  waiting_since     timestamptz,
  -- When the indexer last looked at the chain at all.
  looked_at         timestamptz      not null default now()
);

-- How far Ponder has read each chain, in a schema of its own; no rows before it has made its tables.
create function ponder_read_blocks(schema_name text) returns table (chain_id bigint, block_number bigint) language plpgsql stable as $$
begin
  if to_regclass(format('%I._ponder_checkpoint', schema_name)) is null then
    return;
  end if;
  return query execute format(
    'select c.chain_id::bigint, ponder_checkpoint_block(c.latest_checkpoint) from %I._ponder_checkpoint c', schema_name);
end $$;

-- Hashes of blocks that were final when they were read. One of them that changes is a reorganisation deeper than finality. The
-- newest hundred of a chain are kept.
create table final_blocks (
  chain_id     bigint      not null,
  block_number bigint      not null,
  block_hash   text        not null,
  created_at   timestamptz not null default now(),
  primary key (chain_id, block_number)
);

-- Alerts about a chain are nobody's own: they concern who runs the installation, and everybody who waits for its events.
alter table alerts
  alter column user_id drop not null,
  add column chain_id bigint,
  -- What it is about, for programs.
  add column detail jsonb,
  add constraint alerts_concern check (user_id is not null or chain_id is not null);
create unique index alerts_open_chain on alerts (chain_id, kind) where user_id is null and resolved_at is null;
create index alerts_chain on alerts (created_at desc, id desc) where user_id is null;
create index alerts_open on alerts (kind) where resolved_at is null;

-- Down Migration

drop index if exists alerts_open;
drop index if exists alerts_chain;
drop index if exists alerts_open_chain;
delete from alerts where user_id is null;
alter table alerts
  drop constraint if exists alerts_concern,
  drop column if exists detail,
  drop column if exists chain_id,
  alter column user_id set not null;
drop table if exists final_blocks;
drop function if exists ponder_read_blocks(text);
drop table if exists chain_heads;
