-- Up Migration

-- How the rows of Ponder's table become events, retractions and checkpoints. Ponder writes to a schema of its own, whose name
-- changes with the code (see docs/indexer.md); the triggers below hang on its tables and run inside its transactions, so that
-- a row and what we make of it are committed together or not at all.
--
-- Ponder deletes rows for two reasons that look the same: a block left the chain, or Ponder starts again and will read the
-- unfinalized blocks once more. So a delete only marks a range of blocks as unchecked, and an event is retracted when the
-- checkpoint has passed its block and Ponder's row is still missing.

-- What the functions below remember of each chain. A table of its own and not columns of checkpoints, because that one is a
-- contract with matchers and with users' queries, and this is bookkeeping about Ponder.
create table ingest_progress (
  chain_id       bigint primary key,
  -- The Ponder schema that speaks for the chain. What another one (of an older version) still does can add events, no more.
  ponder_schema  text   not null,
  -- The highest block that any checkpoint has named. No event lies above it.
  highest_block  bigint not null,
  -- Blocks whose events must be compared with Ponder's rows as the checkpoint passes them.
  unchecked_from bigint,
  unchecked_to   bigint,
  check ((unchecked_from is null) = (unchecked_to is null))
);

-- Ponder's checkpoints are digits: time (10), chain (16), block (16), transaction (16), type (1), index (16).
-- The last block that such a checkpoint covers as a whole: it is rounded up to cover its own block, and rounded down to begin at it.
create function ponder_checkpoint_block(checkpoint text) returns bigint language sql immutable strict as $$
  select substr(checkpoint, 27, 16)::bigint - case when substr(checkpoint, 43, 16) = repeat('9', 16) then 0 else 1 end
$$;

-- After an insert into registry_event: new rows become events; events that were retracted and are back become reinstated.
create function ingest_inserted() returns trigger language plpgsql as $$
declare
  arrived bigint;
  added bigint;
begin
  with logs as (
    select i.*,
      to_timestamp(i.block_timestamp) as block_time,
      substr(encode(sha256(convert_to(
        i.contract_address || ',' || array_to_string(i.topics, ',') || ',' || i.data, 'utf8')), 'hex'), 1, 16) as content_hash
    from inserted i
  ),
  -- Only the first block of a statement can have begun in an earlier one.
  first_logs as (
    select distinct on (chain_id) chain_id, block_number, block_hash, block_time, log_index
    from logs
    order by chain_id, block_number, log_index
  ),
  earlier as (
    select f.block_hash, e.*
    from first_logs f
    cross join lateral (
      select transaction_hash, contract_address, topics, data, count(*) as logs
      from events
      where chain_id = f.chain_id and block_number = f.block_number and log_index < f.log_index
        and block_hash = f.block_hash and block_time = f.block_time
      group by transaction_hash, contract_address, topics, data
    ) e
  )
  insert into events (
    id, chain_id, block_number, block_hash, block_time, transaction_hash, transaction_index, log_index,
    contract_address, registry, event_type, occurrence, agent_id,
    owner, previous_owner, token_uri, updated_by, metadata_key, metadata_value,
    client_address, feedback_index, value, value_decimals, score, tag1, tag2, endpoint, file_uri, file_hash, responder,
    validator_address, request_uri, request_hash, response, response_uri, response_hash, tag,
    args, topics, data
  )
  select
    l.id, l.chain_id, l.block_number, l.block_hash, l.block_time, l.transaction_hash, l.transaction_index, l.log_index,
    l.contract_address, l.registry, l.event_type,
    format('%s-%s-%s-%s', l.chain_id, l.transaction_hash, l.content_hash,
      coalesce(e.logs, 0) - 1 + row_number() over (
        partition by l.chain_id, l.block_hash, l.transaction_hash, l.content_hash order by l.log_index)),
    l.agent_id,
    l.owner, l.previous_owner, l.token_uri, l.updated_by, l.metadata_key, l.metadata_value,
    l.client_address, l.feedback_index, l.value, l.value_decimals, l.score, l.tag1, l.tag2, l.endpoint, l.file_uri, l.file_hash,
    l.responder,
    l.validator_address, l.request_uri, l.request_hash, l.response, l.response_uri, l.response_hash, l.tag,
    l.args, l.topics, l.data
  from logs l
  left join earlier e using (block_hash, transaction_hash, contract_address, topics, data)
  order by l.chain_id, l.block_number, l.log_index
  on conflict do nothing;
  get diagnostics added = row_count;
  select count(*) into arrived from inserted;

  if added < arrived then
    insert into event_status (event_id, chain_id, block_number, block_time, status, reason)
    select i.id, i.chain_id, i.block_number, to_timestamp(i.block_timestamp), 'reinstated',
      'its block is on the canonical chain again'
    from inserted i
    cross join lateral (
      select status from event_status where event_id = i.id order by id desc limit 1
    ) newest
    where newest.status = 'retracted'
    order by i.chain_id, i.block_number, i.log_index;
  end if;
  return null;
end $$;

-- After a delete from registry_event: nothing is retracted yet, but the blocks from there on are to be checked.
create function ingest_deleted() returns trigger language plpgsql as $$
begin
  update ingest_progress p
  set unchecked_from = least(p.unchecked_from, d.first_block),
    unchecked_to = greatest(p.unchecked_to, p.highest_block, d.last_block)
  from (
    select chain_id, min(block_number) as first_block, max(block_number) as last_block from deleted group by chain_id
  ) d
  where p.chain_id = d.chain_id and p.ponder_schema = tg_table_schema;
  return null;
end $$;

-- After Ponder has moved the checkpoint of a chain: retracts what is gone, then says how far the chain is complete.
create function ingest_checkpoint() returns trigger language plpgsql as $$
declare
  -- In the backfill all checkpoints are one; there Ponder can count a block as done whose rows come with its next batch.
  backfilling constant boolean := new.latest_checkpoint = new.finalized_checkpoint;
  named_block constant bigint := ponder_checkpoint_block(new.latest_checkpoint);
  complete_block constant bigint := named_block - backfilling::integer;
  finalized_block constant bigint := ponder_checkpoint_block(new.finalized_checkpoint) - backfilling::integer;
  progress ingest_progress;
  checked_to bigint;
  block_hash text;
begin
  -- Ponder switches it off for its sessions. What a matcher is told of must survive a crash of the server.
  perform set_config('synchronous_commit', 'on', true);

  insert into ingest_progress as p (chain_id, ponder_schema, highest_block)
  values (new.chain_id, tg_table_schema, named_block)
  on conflict (chain_id) do update set highest_block = greatest(p.highest_block, excluded.highest_block)
    where p.ponder_schema = excluded.ponder_schema
  returning * into progress;
  if not found then
    return null;
  end if;

  if progress.unchecked_from <= complete_block then
    checked_to := least(complete_block, progress.unchecked_to);
    execute format($retract$
      insert into event_status (event_id, chain_id, block_number, block_time, status, reason)
      select e.id, e.chain_id, e.block_number, e.block_time, 'retracted', 'its block left the canonical chain'
      from events e
      where e.chain_id = $1 and e.block_number between $2 and $3
        and not exists (select from %I.registry_event r where r.id = e.id)
        and coalesce((select s.status from event_status s where s.event_id = e.id order by s.id desc limit 1), '') <> 'retracted'
      order by e.block_number, e.log_index
    $retract$, tg_table_schema) using new.chain_id, progress.unchecked_from, checked_to;
    update ingest_progress p
    set unchecked_from = case when checked_to < p.unchecked_to then checked_to + 1 end,
      unchecked_to = case when checked_to < p.unchecked_to then p.unchecked_to end
    where p.chain_id = new.chain_id;
  end if;

  -- The hash is known where the block holds an event: Ponder's checkpoints do not carry it.
  if not backfilling then
    execute format($hash$
      select e.block_hash from events e
      where e.chain_id = $1 and e.block_number = $2 and e.block_time = $3
        and exists (select from %I.registry_event r where r.id = e.id)
      limit 1
    $hash$, tg_table_schema)
    into block_hash
    using new.chain_id, complete_block, to_timestamp(substr(new.latest_checkpoint, 1, 10)::bigint);
  end if;

  -- Finalized blocks stay complete while Ponder reads them again, be it after a restart or for a new schema.
  insert into checkpoints as c (chain_id, last_block_number, last_block_hash, finalized_block_number, updated_at)
  values (new.chain_id, greatest(complete_block, 0), block_hash, greatest(finalized_block, 0), clock_timestamp())
  on conflict (chain_id) do update set
    finalized_block_number = greatest(c.finalized_block_number, excluded.finalized_block_number),
    last_block_number = greatest(excluded.last_block_number, c.finalized_block_number),
    last_block_hash = case
      when excluded.last_block_number >= c.finalized_block_number then excluded.last_block_hash end,
    updated_at = excluded.updated_at;
  perform pg_notify('new_event', new.chain_id::text);
  return null;
end $$;

-- After Ponder has finalized blocks: that alone can make a trigger fire that waits for finality.
create function ingest_finalized() returns trigger language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'on', true);
  update checkpoints c
  set finalized_block_number = ponder_checkpoint_block(new.finalized_checkpoint), updated_at = clock_timestamp()
  from ingest_progress p
  where c.chain_id = new.chain_id and p.chain_id = new.chain_id and p.ponder_schema = tg_table_schema
    and c.finalized_block_number < ponder_checkpoint_block(new.finalized_checkpoint);
  if found then
    perform pg_notify('new_event', new.chain_id::text);
  end if;
  return null;
end $$;

-- Hangs the triggers on the tables of a Ponder schema and lets it speak for all chains. Safe to repeat.
-- Called by Ponder's setup handler, in the transaction before its first row, and before each later start.
create function attach_ingest(schema_name text) returns void language plpgsql as $$
begin
  execute format('create or replace trigger ingest_inserted after insert on %I.registry_event
    referencing new table as inserted for each statement execute function ingest_inserted()', schema_name);
  execute format('create or replace trigger ingest_deleted after delete on %I.registry_event
    referencing old table as deleted for each statement execute function ingest_deleted()', schema_name);
  -- Whether Ponder set the column, not whether it changed: a block can replace another at its number and time.
  execute format('create or replace trigger ingest_checkpoint after insert or update of latest_checkpoint on %I._ponder_checkpoint
    for each row execute function ingest_checkpoint()', schema_name);
  execute format('create or replace trigger ingest_finalized after update of finalized_checkpoint on %I._ponder_checkpoint
    for each row when (new.finalized_checkpoint <> new.latest_checkpoint) execute function ingest_finalized()', schema_name);

  -- Where another schema spoke before, unfinalized events may be unknown to this one: nothing would ever delete them.
  update ingest_progress p
  set ponder_schema = schema_name,
    unchecked_from = least(p.unchecked_from, c.finalized_block_number + 1),
    unchecked_to = greatest(p.unchecked_to, p.highest_block, c.finalized_block_number + 1)
  from checkpoints c
  where c.chain_id = p.chain_id and p.ponder_schema <> schema_name;
end $$;

-- Makes a Ponder schema ready for the next start of Ponder. Returns what it found:
-- 'new'      there is none, Ponder will make it
-- 'in use'   a session of Ponder is alive in it: nothing was done
-- 'rebuilt'  it lacked our triggers (as after "tocsin migrate rollback"), so rows may be missing in events: it was dropped,
--            and Ponder makes it again from its cache
-- 'resumed'  Ponder can go on where it was
create function prepare_ponder_start(schema_name text) returns text language plpgsql as $$
begin
  if to_regclass(format('%I._ponder_checkpoint', schema_name)) is null
    or to_regclass(format('%I.registry_event', schema_name)) is null then
    return 'new';
  end if;
  if exists (select from pg_stat_activity
             where datname = current_database()
               and application_name in (schema_name || '_internal', schema_name || '_user')) then
    return 'in use';
  end if;
  if not ingest_attached(schema_name) then
    execute format('drop schema %I cascade', schema_name);
    return 'rebuilt';
  end if;
  perform attach_ingest(schema_name);

  -- A killed Ponder leaves its lock behind, and the next one would wait up to 25 seconds for it.
  execute format($unlock$
    update %I._ponder_meta set value = jsonb_set(value, '{is_locked}', '0')
  $unlock$, schema_name);

  -- Ponder 0.16 can count the last block of a backfill as done before its rows are written, and a kill at that moment loses
  -- them. Back to the last block that has rows: all blocks up to it are complete.
  execute format($rewind$
    update %1$I._ponder_checkpoint c
    set safe_checkpoint = least(c.safe_checkpoint, coalesce(
      (select lpad(r.block_timestamp::text, 10, '0') || lpad(r.chain_id::text, 16, '0')
          || lpad(r.block_number::text, 16, '0') || repeat('9', 33)
       from %1$I.registry_event r
       where r.chain_id = c.chain_id and r.block_number <= substr(c.safe_checkpoint, 27, 16)::bigint
       order by r.block_number desc
       limit 1),
      repeat('0', 10) || lpad(c.chain_id::text, 16, '0') || repeat('0', 49)))
  $rewind$, schema_name);
  return 'resumed';
end $$;

-- Whether a Ponder schema has our triggers, so that each of its rows is an event.
create function ingest_attached(schema_name text) returns boolean language sql stable as $$
  select count(*) = 4
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid
  join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = schema_name
    and (c.relname, t.tgname) in (
      ('registry_event', 'ingest_inserted'),
      ('registry_event', 'ingest_deleted'),
      ('_ponder_checkpoint', 'ingest_checkpoint'),
      ('_ponder_checkpoint', 'ingest_finalized'))
$$;

-- Down Migration

-- Ponder's schemas stay; without their triggers they are rebuilt at the next start.
drop function ingest_attached(text);
drop function prepare_ponder_start(text);
drop function attach_ingest(text);
drop function ingest_finalized() cascade;
drop function ingest_checkpoint() cascade;
drop function ingest_deleted() cascade;
drop function ingest_inserted() cascade;
drop function ponder_checkpoint_block(text);
drop table ingest_progress;
