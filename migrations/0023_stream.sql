-- Up Migration

-- What GET /v1/stream tells, in an order that never has anything put before what was read already. Numbers that a sequence gives do not have
-- it: they are given before the commit, so that a lower one can appear after a higher one. The number of the transaction, read only
-- below that of the oldest one still at work, does. docs/decisions/0014-the-order-of-the-stream.md says more.
create table stream_changes (
  xact_id   xid8        not null default pg_current_xact_id(),
  id        bigint      not null generated always as identity,
  kind      text        not null check (kind in ('event', 'match', 'delivery')),
  change    text        not null check (change in
            ('arrived', 'created', 'retracted', 'reinstated', 'succeeded', 'failed', 'unknown', 'cancelled', 'reopened')),
  -- Whose it is; null: everybody's.
  user_id   text,
  chain_id  bigint,
  -- One row is what a statement did. events.seq where events arrived, event_status.id where that changed, matches.id.
  ids       int8multirange,
  -- Of events: where their rows lie.
  first_block_time timestamptz,
  last_block_time  timestamptz,
  delivery_ids     uuid[],
  -- How many there are of them.
  size      integer     not null,
  -- When its transaction began.
  at        timestamptz not null default now(),
  primary key (xact_id, id)
);

-- Where the order was at a time: every transaction before xact_id had ended by then. Changes before the oldest mark are deleted.
create table stream_marks (
  xact_id xid8        primary key,
  at      timestamptz not null default clock_timestamp()
);

insert into stream_marks (xact_id) values (pg_snapshot_xmin(pg_current_snapshot()));

-- The functions below write for whoever changes something, also for the API on behalf of a user.
create function stream_events() returns trigger language plpgsql as $$
begin
  insert into stream_changes (kind, change, chain_id, ids, first_block_time, last_block_time, size)
  select 'event', 'arrived', chain_id, range_agg(int8range(seq, seq, '[]')), min(block_time), max(block_time), count(*)
  from arrived
  group by chain_id
  order by min(seq);
  return null;
end $$;

-- The same for storage that has no transition tables.
create function stream_event() returns trigger language plpgsql as $$
begin
  insert into stream_changes (kind, change, chain_id, ids, first_block_time, last_block_time, size)
  values ('event', 'arrived', new.chain_id, int8multirange(int8range(new.seq, new.seq, '[]')), new.block_time, new.block_time, 1);
  return null;
end $$;

create function stream_event_status() returns trigger language plpgsql as $$
begin
  insert into stream_changes (kind, change, chain_id, ids, first_block_time, last_block_time, size)
  select 'event', status, chain_id, range_agg(int8range(id, id, '[]')), min(block_time), max(block_time), count(*)
  from arrived
  group by chain_id, status
  order by min(id);
  return null;
end $$;

create function stream_matches() returns trigger language plpgsql as $$
begin
  insert into stream_changes (kind, change, user_id, chain_id, ids, size)
  select 'match', 'created', t.user_id, a.chain_id, range_agg(int8range(a.id, a.id, '[]')), count(*)
  from arrived a
  join triggers t on t.id = a.trigger_id
  group by t.user_id, a.chain_id
  order by min(a.id);
  return null;
end $$;

create function stream_match_status() returns trigger language plpgsql as $$
begin
  insert into stream_changes (kind, change, user_id, chain_id, ids, size)
  select 'match', case new.status when 'retracted' then 'retracted' else 'reinstated' end, t.user_id, new.chain_id,
    int8multirange(int8range(new.id, new.id, '[]')), 1
  from triggers t
  where t.id = new.trigger_id;
  return null;
end $$;

create function stream_deliveries() returns trigger language plpgsql as $$
begin
  insert into stream_changes (kind, change, user_id, chain_id, delivery_ids, size)
  select 'delivery', 'created', coalesce(t.user_id, x.user_id), a.chain_id, array_agg(a.id), count(*)
  from arrived a
  left join triggers t on t.id = a.trigger_id
  left join destinations x on x.id = a.destination_id and a.trigger_id is null
  where coalesce(t.user_id, x.user_id) is not null
  group by 3, 4;
  return null;
end $$;

create function stream_delivery_state() returns trigger language plpgsql as $$
declare
  owner_id constant text := coalesce(
    (select t.user_id from triggers t where t.id = new.trigger_id),
    (select x.user_id from destinations x where x.id = new.destination_id)
  );
begin
  if owner_id is not null then
    insert into stream_changes (kind, change, user_id, chain_id, delivery_ids, size)
    values ('delivery', case when new.state in ('succeeded', 'failed', 'unknown', 'cancelled') then new.state else 'reopened' end,
      owner_id, new.chain_id, array[new.id], 1);
  end if;
  return null;
end $$;

do $security$
declare
  name text;
begin
  foreach name in array array['stream_events', 'stream_event', 'stream_event_status', 'stream_matches', 'stream_match_status',
    'stream_deliveries', 'stream_delivery_state']
  loop
    execute format('alter function %I() security definer set search_path = %I, pg_temp', name, current_schema());
    execute format('revoke execute on function %I() from public', name);
  end loop;
end $security$;

-- TimescaleDB has transition tables from 2.18 on.
do $storage$
begin
  create trigger events_streamed after insert on events
    referencing new table as arrived for each statement execute function stream_events();
exception when feature_not_supported then
  create trigger events_streamed after insert on events for each row execute function stream_event();
end $storage$;

create trigger event_status_streamed after insert on event_status
  referencing new table as arrived for each statement execute function stream_event_status();
create trigger matches_streamed after insert on matches
  referencing new table as arrived for each statement execute function stream_matches();
create trigger matches_status_streamed after update on matches
  for each row when (old.status is distinct from new.status) execute function stream_match_status();
create trigger deliveries_streamed after insert on deliveries
  referencing new table as arrived for each statement execute function stream_deliveries();
-- For each row, with a condition: most updates (enqueued, claimed, renewed) end there and cost nothing.
create trigger deliveries_state_streamed after update on deliveries
  for each row when (old.state is distinct from new.state and (
    new.state in ('succeeded', 'failed', 'unknown', 'cancelled') or old.state in ('succeeded', 'failed', 'unknown', 'cancelled')
  )) execute function stream_delivery_state();

-- Sets a mark, and deletes changes that are older than so many days; returns how many. No more than so many at once.
create function keep_stream(keep_days integer, changes_max integer) returns integer language plpgsql as $$
declare
  oldest xid8;
  deleted integer;
begin
  insert into stream_marks (xact_id) values (pg_snapshot_xmin(pg_current_snapshot())) on conflict do nothing;
  -- The newest of the marks that are old enough becomes the oldest.
  select m.xact_id into oldest
  from stream_marks m
  where m.at < now() - keep_days * interval '1 day'
  order by m.xact_id desc
  limit 1;
  delete from stream_marks m where m.xact_id < oldest;
  select m.xact_id into oldest from stream_marks m order by m.xact_id limit 1;
  delete from stream_changes c
  where (c.xact_id, c.id) in (
    select o.xact_id, o.id from stream_changes o where o.xact_id < oldest order by o.xact_id, o.id limit changes_max
  );
  get diagnostics deleted = row_count;
  return deleted;
end $$;

-- Marks are read by the API as the owner.
grant select on stream_changes to tocsin_api;
alter table stream_changes enable row level security;
create policy own on stream_changes for select to tocsin_api using (user_id = (select app_user()));
create policy everybodys on stream_changes for select to tocsin_api using (user_id is null);

-- Down Migration

drop trigger deliveries_state_streamed on deliveries;
drop trigger deliveries_streamed on deliveries;
drop trigger matches_status_streamed on matches;
drop trigger matches_streamed on matches;
drop trigger event_status_streamed on event_status;
drop trigger events_streamed on events;
drop function keep_stream(integer, integer);
drop function stream_delivery_state();
drop function stream_deliveries();
drop function stream_match_status();
drop function stream_matches();
drop function stream_event_status();
drop function stream_event();
drop function stream_events();
drop table stream_marks;
drop table stream_changes;
