-- Up Migration

-- The newest status of each event that ever had one, so that "is it canonical?" is one look at a key. Kept by the triggers below.
create table newest_event_status (
  event_id     text        primary key,
  -- The row of event_status that decides: the highest, whatever order the transactions committed in.
  status_id    bigint      not null,
  status       text        not null,
  chain_id     bigint      not null,
  block_number bigint      not null,
  -- Of its block, and what events_hourly counts by.
  hour         timestamptz not null,
  registry     text        not null,
  event_type   text        not null
);

create index newest_event_status_retracted on newest_event_status (hour) where status = 'retracted';

-- What events_hourly is made of on native partitions: every insert into events adds rows, folding them is the maintenance's work.
-- Stays empty on a hypertable, where a continuous aggregate counts.
create table event_counts (
  hour        timestamptz not null,
  chain_id    bigint      not null,
  registry    text        not null,
  event_type  text        not null,
  event_count bigint      not null,
  -- One row of its kind, to which the others are added.
  folded      boolean     not null default false
);

create index event_counts_hour on event_counts (hour);
create index event_counts_unfolded on event_counts (hour) where not folded;
create unique index event_counts_folded on event_counts (hour, chain_id, registry, event_type) where folded;

create table action_metrics_hourly (
  -- Of the attempts' beginning, in UTC.
  hour             timestamptz not null,
  action_type      text        not null,
  total_executions bigint      not null,
  success_count    bigint      not null,
  -- Attempts that failed for good. The rest of the total will be, or was, tried again.
  failure_count    bigint      not null,
  avg_duration_ms  numeric     not null,
  p95_duration_ms  double precision not null,
  primary key (hour, action_type)
);

-- Hours whose metrics are to be computed again. Only ever added to and taken away: a row that is seen was committed with its results.
create table action_metrics_dirty (
  hour timestamptz not null
);

-- Whether events is a hypertable. Not timescaledb_ready(): the extension may have come after events was made.
create function events_are_hypertable() returns boolean language sql stable as $$
  select not exists (select from pg_partitioned_table where partrelid = 'events'::regclass)
$$;

create function keep_newest_event_status() returns trigger language plpgsql as $$
begin
  if tg_op = 'TRUNCATE' then
    truncate newest_event_status;
    return null;
  end if;
  insert into newest_event_status as n (event_id, status_id, status, chain_id, block_number, hour, registry, event_type)
  select distinct on (a.event_id)
    a.event_id, a.id, a.status, a.chain_id, a.block_number, date_trunc('hour', a.block_time, 'UTC'), e.registry, e.event_type
  from arrived a
  join events e on e.id = a.event_id and e.block_time = a.block_time
  order by a.event_id, a.id desc
  on conflict (event_id) do update set status_id = excluded.status_id, status = excluded.status
    where n.status_id < excluded.status_id;
  return null;
end $$;

create trigger event_status_newest after insert on event_status
  referencing new table as arrived for each statement execute function keep_newest_event_status();
create trigger event_status_truncated after truncate on event_status
  for each statement execute function keep_newest_event_status();

create function count_events() returns trigger language plpgsql as $$
begin
  if tg_op = 'TRUNCATE' then
    truncate event_counts;
    return null;
  end if;
  insert into event_counts (hour, chain_id, registry, event_type, event_count)
  select date_trunc('hour', block_time, 'UTC'), chain_id, registry, event_type, count(*)
  from arrived
  group by 1, 2, 3, 4;
  return null;
end $$;

-- Adds the counts of single inserts to one row for each hour, chain, registry and type; returns how many there were.
create function fold_event_counts() returns integer language plpgsql as $$
declare
  taken_rows integer;
begin
  with taken as (
    delete from event_counts where not folded returning *
  ),
  added as (
    insert into event_counts as c (hour, chain_id, registry, event_type, event_count, folded)
    select hour, chain_id, registry, event_type, sum(event_count), true
    from taken
    group by hour, chain_id, registry, event_type
    on conflict (hour, chain_id, registry, event_type) where folded
      do update set event_count = c.event_count + excluded.event_count
    returning 1
  )
  select count(*) into taken_rows from taken;
  return taken_rows;
end $$;

-- Events without those whose newest status is a retraction. A migration that adds a column to events makes this view again.
create view events_canonical as
select e.*
from events e
where not exists (select from newest_event_status n where n.event_id = e.id and n.status = 'retracted');

-- events_hourly_all counts every event there is, canonical or not; each storage has its own way.
do $storage$
declare
  hypertable constant boolean := events_are_hypertable();
  -- Compression, policies and continuous aggregates are of the community licence; some packages come with Apache's alone.
  community constant boolean := coalesce(current_setting('timescaledb.license', true), '') = 'timescale';
begin
  if not hypertable then
    create trigger events_counted after insert on events
      referencing new table as arrived for each statement execute function count_events();
    create trigger events_truncated after truncate on events
      for each statement execute function count_events();
    -- From here on, nobody else can write to events before this transaction ends.
    insert into event_counts (hour, chain_id, registry, event_type, event_count, folded)
    select date_trunc('hour', block_time, 'UTC'), chain_id, registry, event_type, count(*), true
    from events
    group by 1, 2, 3, 4;
    create view events_hourly_all as
    select hour, chain_id, registry, event_type, sum(event_count)::bigint as event_count
    from event_counts
    group by hour, chain_id, registry, event_type;

  elsif community then
    -- Real time: hours that are not materialised yet are counted when they are asked for.
    execute $cagg$
      create materialized view events_hourly_all
      with (timescaledb.continuous, timescaledb.materialized_only = false) as
      select time_bucket(interval '1 hour', block_time) as hour, chain_id, registry, event_type, count(*) as event_count
      from events
      group by 1, 2, 3, 4
      with no data
    $cagg$;
    -- From the beginning: a backfill, or an older chain that joins, writes to hours long past. Only what changed is computed.
    perform add_continuous_aggregate_policy('events_hourly_all',
      start_offset => null::interval, end_offset => interval '1 hour', schedule_interval => interval '5 minutes',
      initial_start => now() + interval '5 minutes');

    execute $compression$
      alter table events set (
        timescaledb.compress,
        timescaledb.compress_segmentby = 'chain_id',
        timescaledb.compress_orderby = 'block_time desc, log_index desc'
      )
    $compression$;
    -- Long after finality, when only a re-index touches them; and not while an upgrade is still at work.
    perform add_compression_policy('events', compress_after => interval '30 days', initial_start => now() + interval '1 hour');
    -- A re-index writes every event again, and those that are there already conflict. In a compressed chunk that means
    -- decompressing, which by default is an error beyond 100,000 rows in one transaction.
    begin
      execute format('alter database %I set timescaledb.max_tuples_decompressed_per_dml_transaction = 0', current_database());
    exception when insufficient_privilege then
      raise notice 'timescaledb.max_tuples_decompressed_per_dml_transaction could not be set to 0 for this database (%)', sqlerrm;
    end;

  else
    create view events_hourly_all as
    select date_trunc('hour', block_time, 'UTC') as hour, chain_id, registry, event_type, count(*) as event_count
    from events
    group by 1, 2, 3, 4;
  end if;
end $storage$;

insert into newest_event_status (event_id, status_id, status, chain_id, block_number, hour, registry, event_type)
select distinct on (s.event_id)
  s.event_id, s.id, s.status, s.chain_id, s.block_number, date_trunc('hour', s.block_time, 'UTC'), e.registry, e.event_type
from event_status s
join events e on e.id = s.event_id and e.block_time = s.block_time
order by s.event_id, s.id desc;

-- Canonical events by hour (UTC), chain, registry and type. Filters on these columns reach both parts.
create view events_hourly as
select hour, chain_id, registry, event_type, sum(event_count)::bigint as event_count
from (
  select hour, chain_id, registry, event_type, event_count from events_hourly_all
  union all
  select hour, chain_id, registry, event_type, -1 from newest_event_status where status = 'retracted'
) counted
group by hour, chain_id, registry, event_type
having sum(event_count) > 0;

-- As in 0001, with two differences: rows that came before their partition move from events_default into it; and a partition is
-- attached, not created in place, which leaves readers and writers of the others alone. Earlier months than `since` are not made.
drop function ensure_events_partitions(timestamptz);
create function ensure_events_partitions(until timestamptz, since timestamptz default '2025-10-01 00:00:00+00') returns integer
language plpgsql as $$
declare
  month timestamp;
  partition_name text;
  first_time timestamptz;
  end_time timestamptz;
  made integer := 0;
begin
  if events_are_hypertable() then
    return 0;
  end if;
  for month in
    select generate_series(date_trunc('month', since at time zone 'utc'), until at time zone 'utc', interval '1 month')
  loop
    partition_name := 'events_' || to_char(month, 'YYYY_MM');
    continue when to_regclass(partition_name) is not null;
    first_time := month at time zone 'utc';
    end_time := (month + interval '1 month') at time zone 'utc';
    execute format('create table %I (like events including defaults including constraints)', partition_name);
    -- Before the look into it: a row that came in between would keep the partition from being attached.
    lock table events_default in access exclusive mode;
    execute format('
      with moved as (delete from events_default where block_time >= $1 and block_time < $2 returning *)
      insert into %I select * from moved', partition_name) using first_time, end_time;
    execute format('alter table events attach partition %I for values from (%L) to (%L)',
      partition_name, first_time, end_time);
    made := made + 1;
  end loop;
  return made;
end $$;

-- Lets go of events that are older than so many days (null: keeps everything); returns the partitions dropped now. By whole months on
-- native partitions, by whole chunks on a hypertable, whose own policy does it. Hourly counts go with their events.
create function apply_events_retention(keep_days integer) returns text[] language plpgsql as $$
declare
  keep constant interval := keep_days * interval '1 day';
  -- Of the month in which the oldest event lies that is to be kept.
  month_start constant timestamptz := date_trunc('month', now() - keep, 'UTC');
  partition_name text;
  dropped text[] := '{}';
  policy_keeps interval;
begin
  if events_are_hypertable() then
    if coalesce(current_setting('timescaledb.license', true), '') <> 'timescale' then
      if keep is not null then
        perform drop_chunks('events', older_than => keep);
      end if;
      return dropped;
    end if;
    select (j.config ->> 'drop_after')::interval into policy_keeps
    from timescaledb_information.jobs j
    where j.proc_name = 'policy_retention' and j.hypertable_schema = current_schema() and j.hypertable_name = 'events';
    if policy_keeps is distinct from keep then
      perform remove_retention_policy('events', if_exists => true);
      if keep is not null then
        perform add_retention_policy('events', drop_after => keep);
      end if;
    end if;
    return dropped;
  end if;

  if keep is null then
    return dropped;
  end if;
  for partition_name in
    select c.relname
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'events'::regclass and c.relname ~ '^events_\d{4}_\d{2}$'
      and c.relname < 'events_' || to_char(month_start at time zone 'utc', 'YYYY_MM')
    order by c.relname
  loop
    execute format('drop table %I', partition_name);
    dropped := dropped || partition_name;
  end loop;
  delete from events_default where block_time < month_start;
  delete from event_counts where hour < month_start;
  return dropped;
end $$;

create function mark_action_metrics_dirty() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into action_metrics_dirty (hour)
    select distinct date_trunc('hour', a.executed_at, 'UTC') from after_rows a;
  else
    -- What does not change the metrics must not mark: the results of an old hour may be gone by now, in part.
    insert into action_metrics_dirty (hour)
    select distinct unnest(array[date_trunc('hour', b.executed_at, 'UTC'), date_trunc('hour', a.executed_at, 'UTC')])
    from before_rows b
    join after_rows a on a.id = b.id
    where (a.executed_at, a.action_type, a.status, a.duration_ms)
      is distinct from (b.executed_at, b.action_type, b.status, b.duration_ms);
  end if;
  return null;
end $$;

create trigger action_results_inserted after insert on action_results
  referencing new table as after_rows for each statement execute function mark_action_metrics_dirty();
create trigger action_results_updated after update on action_results
  referencing old table as before_rows new table as after_rows for each statement execute function mark_action_metrics_dirty();

-- Computes the hours again in which something happened; returns how many. One at a time: its caller holds a lock.
create function refresh_action_metrics() returns integer language plpgsql as $$
declare
  hours timestamptz[];
begin
  with taken as (delete from action_metrics_dirty returning hour)
  select array_agg(distinct hour) into hours from taken;
  if hours is null then
    return 0;
  end if;
  delete from action_metrics_hourly m where m.hour = any (hours);
  insert into action_metrics_hourly
    (hour, action_type, total_executions, success_count, failure_count, avg_duration_ms, p95_duration_ms)
  select h.hour, r.action_type, count(*),
    count(*) filter (where r.status = 'success'), count(*) filter (where r.status = 'failed'),
    avg(r.duration_ms), percentile_cont(0.95) within group (order by r.duration_ms)
  from unnest(hours) as h (hour)
  join action_results r on r.executed_at >= h.hour and r.executed_at < h.hour + interval '1 hour'
  group by h.hour, r.action_type;
  return cardinality(hours);
end $$;

insert into action_metrics_dirty (hour)
select distinct date_trunc('hour', executed_at, 'UTC') from action_results;
select refresh_action_metrics();

-- Deletes the oldest results of deliveries that have ended, one batch; returns how many. Their hours stay in action_metrics_hourly.
create function cleanup_old_action_results(keep interval default interval '90 days', batch_size integer default 10000)
returns integer language plpgsql as $$
declare
  deleted integer;
begin
  delete from action_results
  where id in (
    select r.id
    from action_results r
    join deliveries d on d.id = r.delivery_id
    where r.executed_at < now() - keep and d.state in ('succeeded', 'failed', 'cancelled', 'unknown')
    order by r.executed_at
    limit batch_size
  );
  get diagnostics deleted = row_count;
  return deleted;
end $$;

-- seq at the end: pages of what one agent, client or validator did are read along the index.
drop index events_agent;
create index events_agent on events (chain_id, agent_id, seq) where agent_id is not null;
create index events_client on events (chain_id, client_address, seq) where client_address is not null;
create index events_validator on events (chain_id, validator_address, seq) where validator_address is not null;
create index events_chain_time on events (chain_id, block_time desc);
-- An agent's URI is that of its newest registration or change.
create index events_agent_uri on events (chain_id, agent_id, block_number desc, log_index desc)
  where event_type in ('Registered', 'URIUpdated');

-- Down Migration

drop index events_agent_uri;
drop index events_chain_time;
drop index events_validator;
drop index events_client;
drop index events_agent;
create index events_agent on events (chain_id, agent_id) where agent_id is not null;

drop function cleanup_old_action_results(interval, integer);
drop function refresh_action_metrics();
drop trigger action_results_updated on action_results;
drop trigger action_results_inserted on action_results;
drop function mark_action_metrics_dirty();
drop function apply_events_retention(integer);

drop function ensure_events_partitions(timestamptz, timestamptz);
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

drop view events_hourly;
do $storage$
begin
  if not events_are_hypertable() then
    drop view events_hourly_all;
    drop trigger events_counted on events;
    drop trigger events_truncated on events;
  elsif coalesce(current_setting('timescaledb.license', true), '') = 'timescale' then
    execute 'drop materialized view events_hourly_all';
    perform remove_retention_policy('events', if_exists => true);
    perform remove_compression_policy('events', if_exists => true);
    perform decompress_chunk(chunk, if_compressed => true) from show_chunks('events') as chunk;
    execute 'alter table events set (timescaledb.compress = false)';
    begin
      execute format('alter database %I reset timescaledb.max_tuples_decompressed_per_dml_transaction', current_database());
    exception when insufficient_privilege then
      null;
    end;
  else
    drop view events_hourly_all;
  end if;
end $storage$;
drop view events_canonical;

drop function fold_event_counts();
drop function count_events();
drop trigger event_status_truncated on event_status;
drop trigger event_status_newest on event_status;
drop function keep_newest_event_status();
drop function events_are_hypertable();
drop table action_metrics_dirty;
drop table action_metrics_hourly;
drop table event_counts;
drop table newest_event_status;
