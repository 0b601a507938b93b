-- Up Migration

-- What the trigger engine keeps: options of triggers, state with a journal for the blocks that may still be replaced, and what
-- became of a match when its event left the chain. docs/engine.md explains it.

alter table triggers
  -- Counts the changes of what the trigger looks at (chain, registry, conditions) and its switchings on: state belongs to one generation.
  add column generation    integer     not null default 1,
  -- "latest", "finalized", or {"confirmations": 12}
  add column finality      jsonb       not null default '"latest"',
  -- Where in the past it starts to fire, and whether its state is built from the history before that.
  add column from_block    bigint      check (from_block >= 0),
  add column warm_up       boolean     not null default false,
  -- {"period": "1h", "scope": ["agent"], "digest": false}
  add column cooldown      jsonb,
  -- {"count": 3, "within": "1d", "scope": ["agent"], "digest": false}
  add column max_fires     jsonb,
  -- Set by the matcher when it could not be evaluated again and again. Cleared when its owner changes or enables it.
  add column paused_at     timestamptz,
  add column paused_reason text;

-- Not every type of condition has all three.
alter table trigger_conditions
  alter column field drop not null,
  alter column operator drop not null,
  alter column value drop not null;

alter table trigger_actions
  -- Instead of the trigger's own.
  add column finality      jsonb,
  -- Whether it is told when the event of a match that it delivered leaves the chain.
  add column on_retraction text not null default 'ignore' check (on_retraction in ('ignore', 'notify'));

-- What a stateful condition remembers, per scope (an agent, a client …). The position is the condition's; below 0 is what the trigger
-- itself remembers: -1 its cooldown, -2 its max_fires, -3 the errors in a row.
create table trigger_state (
  chain_id   bigint      not null,
  trigger_id text        not null references triggers (id) on delete cascade,
  generation integer     not null,
  position   integer     not null,
  scope      text        not null,
  state      jsonb       not null,
  -- When the chain's clock has passed this time, the condition is asked again.
  wake_at    timestamptz,
  updated_at timestamptz not null default now(),
  primary key (trigger_id, generation, position, scope)
);

create index trigger_state_wake on trigger_state (chain_id, wake_at) where wake_at is not null;

-- What a state was before the first change of a block, for blocks that are not final: going back to a block is putting back the
-- oldest row after it. A null state: there was none.
create table trigger_state_journal (
  chain_id     bigint  not null,
  block_number bigint  not null,
  trigger_id   text    not null,
  generation   integer not null,
  position     integer not null,
  scope        text    not null,
  state        jsonb,
  wake_at      timestamptz,
  primary key (chain_id, block_number, trigger_id, generation, position, scope)
);

-- Where a trigger stands, apart from its chain.
create table trigger_progress (
  trigger_id   text    primary key references triggers (id) on delete cascade,
  chain_id     bigint  not null,
  generation   integer not null,
  -- Where this generation began: what had arrived (start_seq) at or before this position was not its own.
  start_block  bigint  not null,
  start_log    integer not null,
  start_seq    bigint  not null,
  -- Its own position, while it reads history or waits for a file. Null: it goes with the chain.
  block_number bigint,
  log_index    integer
);

create index trigger_progress_behind on trigger_progress (chain_id) where block_number is not null;

-- The newest change of each trigger, by the revision of its chain: what a matcher has to read again. Rows of triggers that are gone stay
-- for a day.
create table trigger_changes (
  chain_id   bigint      not null,
  trigger_id text        not null,
  revision   bigint      not null,
  changed_at timestamptz not null default now(),
  primary key (chain_id, trigger_id)
);

create index trigger_changes_revision on trigger_changes (chain_id, revision);

create or replace function note_trigger_change() returns trigger language plpgsql as $$
declare
  changed_trigger text;
  changed bigint[];
begin
  if tg_table_name = 'triggers' then
    changed_trigger := case when tg_op = 'DELETE' then old.id else new.id end;
    changed := array_remove(array[
      case when tg_op <> 'INSERT' then old.chain_id end,
      case when tg_op <> 'DELETE' then new.chain_id end
    ], null);
  else
    changed_trigger := case when tg_op = 'DELETE' then old.trigger_id else new.trigger_id end;
    select array_agg(t.chain_id) into changed from triggers t where t.id = changed_trigger;
  end if;

  -- The row of the chain is held until the transaction ends: revisions are committed in their order.
  with counted as (
    insert into trigger_revisions (chain_id)
    select distinct chain from unnest(changed) as chain order by chain
    on conflict (chain_id) do update set revision = trigger_revisions.revision + 1, updated_at = now()
    returning chain_id, revision
  )
  insert into trigger_changes (chain_id, trigger_id, revision)
  select chain_id, changed_trigger, revision from counted
  on conflict (chain_id, trigger_id) do update set revision = excluded.revision, changed_at = now();

  perform pg_notify('trigger_changed', chain::text) from unnest(changed) as chain;
  return null;
end $$;

-- An event about which a trigger could not decide, with the reason.
create table undecided_events (
  id              bigint      primary key generated always as identity,
  trigger_id      text        not null references triggers (id) on delete cascade,
  trigger_version integer     not null,
  chain_id        bigint      not null,
  event_id        text        not null,
  block_number    bigint      not null,
  block_time      timestamptz not null,
  reason          text        not null,
  created_at      timestamptz not null default now(),
  unique (trigger_id, event_id)
);

alter table matches
  add column generation  integer not null default 1,
  -- event: it fired for an event. absence: for the want of one. digest: for what was held back.
  add column kind        text    not null default 'event' check (kind in ('event', 'absence', 'digest')),
  add column status      text    not null default 'standing' check (status in ('standing', 'retracted')),
  -- The fold went back before it and has not come to it again.
  add column in_question boolean not null default false,
  add column retractions integer not null default 0,
  -- What it was decided by before, where a fork changed that: a list of {event_id, evidence, at}, the oldest first.
  add column history     jsonb   not null default '[]';
comment on column matches.block_number is 'The block in which it was decided: of the event, or the one that passed a deadline';
create index matches_block on matches (chain_id, block_number);
create index matches_in_question on matches (chain_id, block_number) where in_question;

alter table deliveries
  drop constraint deliveries_kind_check,
  add constraint deliveries_kind_check check (kind in ('match', 'test', 'alert', 'retraction', 'reinstatement')),
  -- Null: it waits until block waits_for of its chain is there (waits_on 'head') or final ('finalized').
  alter column due_at drop not null,
  add column chain_id    bigint,
  add column waits_on    text check (waits_on in ('head', 'finalized')),
  add column waits_for   bigint,
  -- Its match was retracted before it was sent: it is cancelled, and comes back with the match.
  add column retracted   boolean not null default false,
  -- Of a retraction and a reinstatement: the delivery that they are about.
  add column original_id uuid references deliveries (id) on delete cascade;

-- What a delivery of a match in this block has to wait for, by its finality: nothing if that is there.
create function waits(finality jsonb, block_number bigint, head bigint, finalized bigint,
  out waits_on text, out waits_for bigint) language sql immutable as $$
  select
    case when wanted.number > wanted.reached then wanted.what end,
    case when wanted.number > wanted.reached then wanted.number end
  from (
    select
      case when finality = '"finalized"' then 'finalized' else 'head' end as what,
      block_number + coalesce((finality ->> 'confirmations')::bigint, 0) as number,
      case when finality = '"finalized"' then finalized else head end as reached
  ) wanted
$$;

create index deliveries_waiting on deliveries (chain_id, waits_on, waits_for) where waits_on is not null;
create index deliveries_original on deliveries (original_id) where original_id is not null;

-- The time of the last block: by it the chain's clock goes on where nothing happens. Null while Ponder reads again what is known.
alter table checkpoints add column last_block_time timestamptz;

-- As in 0002, and with last_block_time.
create or replace function ingest_checkpoint() returns trigger language plpgsql as $$
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
  insert into checkpoints as c (chain_id, last_block_number, last_block_hash, last_block_time, finalized_block_number, updated_at)
  values (new.chain_id, greatest(complete_block, 0), block_hash, to_timestamp(substr(new.latest_checkpoint, 1, 10)::bigint),
    greatest(finalized_block, 0), clock_timestamp())
  on conflict (chain_id) do update set
    finalized_block_number = greatest(c.finalized_block_number, excluded.finalized_block_number),
    last_block_number = greatest(excluded.last_block_number, c.finalized_block_number),
    last_block_hash = case
      when excluded.last_block_number >= c.finalized_block_number then excluded.last_block_hash end,
    last_block_time = case
      when excluded.last_block_number >= c.finalized_block_number then excluded.last_block_time end,
    updated_at = excluded.updated_at;
  perform pg_notify('new_event', new.chain_id::text);
  return null;
end $$;

alter table matcher_cursors
  -- The latest time that any deadline was compared with.
  add column clock timestamptz not null default '-infinity',
  -- Counts the steps that changed anything: a matcher that made the last one may trust what it remembers.
  add column step bigint not null default 0;

-- Down Migration

alter table matcher_cursors drop column clock, drop column step;
create or replace function ingest_checkpoint() returns trigger language plpgsql as $$
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

alter table checkpoints drop column last_block_time;
drop index deliveries_original;
drop index deliveries_waiting;
drop function waits(jsonb, bigint, bigint, bigint);
delete from deliveries where kind in ('retraction', 'reinstatement');
update deliveries set due_at = now() where due_at is null;
alter table deliveries
  drop column chain_id,
  drop column waits_on,
  drop column waits_for,
  drop column retracted,
  drop column original_id,
  alter column due_at set not null,
  drop constraint deliveries_kind_check,
  add constraint deliveries_kind_check check (kind in ('match', 'test', 'alert'));
drop index matches_in_question;
drop index matches_block;
comment on column matches.block_number is null;
delete from deliveries where match_id in (select id from matches where kind <> 'event');
delete from matches where kind <> 'event';
alter table matches
  drop column generation,
  drop column kind,
  drop column status,
  drop column in_question,
  drop column retractions,
  drop column history;
drop table undecided_events;

create or replace function note_trigger_change() returns trigger language plpgsql as $$
declare
  changed bigint[];
begin
  if tg_table_name = 'triggers' then
    changed := array_remove(array[
      case when tg_op <> 'INSERT' then old.chain_id end,
      case when tg_op <> 'DELETE' then new.chain_id end
    ], null);
  elsif tg_op = 'DELETE' then
    select array_agg(t.chain_id) into changed from triggers t where t.id = old.trigger_id;
  else
    select array_agg(t.chain_id) into changed from triggers t where t.id = new.trigger_id;
  end if;

  insert into trigger_revisions (chain_id)
  select distinct chain from unnest(changed) as chain order by chain
  on conflict (chain_id) do update set revision = trigger_revisions.revision + 1, updated_at = now();

  perform pg_notify('trigger_changed', chain::text) from unnest(changed) as chain;
  return null;
end $$;

drop table trigger_changes;
drop table trigger_progress;
drop table trigger_state_journal;
drop table trigger_state;
alter table trigger_actions drop column finality, drop column on_retraction;
delete from trigger_conditions where field is null or operator is null or value is null;
alter table trigger_conditions
  alter column field set not null,
  alter column operator set not null,
  alter column value set not null;
alter table triggers
  drop column generation,
  drop column finality,
  drop column from_block,
  drop column warm_up,
  drop column cooldown,
  drop column max_fires,
  drop column paused_at,
  drop column paused_reason;
