-- Up Migration

-- In a backfill, what an event costs beside Ponder's own work is its rows in the indexes and the order in which it is counted. Two indexes
-- fewer: a type belongs to one registry, so what is asked by registry and type is read along events_chain_type; and scores are looked for
-- in the order of time, which is then the same index.
drop index events_registry_type;
drop index events_score;
drop index events_chain_time;
create index events_chain_time on events (chain_id, block_time, score);

-- As in 0002, sorted by numbers first: rows come nearly in that order, and Postgres sorts what is nearly sorted for next to nothing. The memory
-- for it (0027) is a setting of Ponder's sessions now, since it is also what the inserted rows are kept in (indexer/ponder-child.ts).
create or replace function ingest_inserted() returns trigger language plpgsql as $$
declare
  arrived bigint;
  added bigint;
begin
  -- Only the first block of a statement can have begun in an earlier one.
  with first_logs as (
    select distinct on (chain_id) chain_id, block_number, block_hash, to_timestamp(block_timestamp) as block_time, log_index
    from inserted
    order by chain_id, block_number, log_index
  ),
  earlier as (
    select f.chain_id, f.block_number, f.block_hash, e.*
    from first_logs f
    cross join lateral (
      select transaction_index, contract_address, topics, data, count(*) as logs
      from events
      where chain_id = f.chain_id and block_number = f.block_number and log_index < f.log_index
        and block_hash = f.block_hash and block_time = f.block_time
      group by transaction_index, contract_address, topics, data
    ) e
  ),
  logs as (
    select i.*,
      to_timestamp(i.block_timestamp) as block_time,
      substr(encode(sha256(convert_to(
        i.contract_address || ',' || array_to_string(i.topics, ',') || ',' || i.data, 'utf8')), 'hex'), 1, 16) as content_hash
    from inserted i
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
    l.chain_id || '-' || l.transaction_hash || '-' || l.content_hash || '-' || (
      coalesce(e.logs, 0) - 1 + row_number() over (
        partition by l.chain_id, l.block_number, l.transaction_index, l.block_hash, l.content_hash order by l.log_index)),
    l.agent_id,
    l.owner, l.previous_owner, l.token_uri, l.updated_by, l.metadata_key, l.metadata_value,
    l.client_address, l.feedback_index, l.value, l.value_decimals, l.score, l.tag1, l.tag2, l.endpoint, l.file_uri, l.file_hash,
    l.responder,
    l.validator_address, l.request_uri, l.request_hash, l.response, l.response_uri, l.response_hash, l.tag,
    l.args, l.topics, l.data
  from logs l
  left join earlier e
    -- What is compared row by row is what can be equal: as a condition to join by, the wide columns would be hashed for every row.
    on (e.chain_id, e.block_number, e.transaction_index) = (l.chain_id, l.block_number, l.transaction_index)
    and (e.block_hash, e.contract_address, e.topics, e.data)
      is not distinct from (l.block_hash, l.contract_address, l.topics, l.data)
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

create or replace function attach_ingest(schema_name text) returns void language plpgsql as $$
begin
  -- Ponder's rows are for Ponder, which hardly ever reads them. They hold the same text as events, where it is compressed: once is enough.
  execute format('alter table %I.registry_event set (toast_tuple_target = 4080)', schema_name);
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

-- Down Migration

create or replace function attach_ingest(schema_name text) returns void language plpgsql as $$
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

create or replace function ingest_inserted() returns trigger language plpgsql set work_mem = '64MB' as $$
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

drop index events_chain_time;
create index events_chain_time on events (chain_id, block_time desc);
create index events_score on events (chain_id, block_time, score) where score is not null;
create index events_registry_type on events (registry, event_type);
