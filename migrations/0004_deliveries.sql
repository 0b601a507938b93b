-- Up Migration

-- How far each chain has been matched: a position on the chain, and what had arrived when it was reached.
create table matcher_cursors (
  chain_id     bigint      primary key,
  -- Everything up to and including this log of this block is decided.
  block_number bigint      not null,
  log_index    integer     not null,
  -- The highest events.seq and event_status.id seen. Anything newer at or before the position sends the matcher back.
  event_seq    bigint      not null,
  status_id    bigint      not null,
  -- Up to where the chain was final by then: no further back. What is final now may not have been when it was matched.
  finalized_block_number bigint not null,
  updated_at   timestamptz not null default now()
);

-- The decision that a trigger fires for an occurrence, with its evidence.
create table matches (
  id              bigint      primary key generated always as identity,
  trigger_id      text        references triggers (id) on delete set null,
  trigger_version integer     not null,
  chain_id        bigint      not null,
  occurrence      text        not null,
  event_id        text        not null,
  block_number    bigint      not null,
  block_time      timestamptz not null,
  evidence        jsonb       not null,
  created_at      timestamptz not null default now(),
  unique (trigger_id, occurrence)
);

create index matches_event on matches (event_id);

-- The intent to run one action for one match: exactly one row, the source of truth. A queue job only wakes a worker up.
create table deliveries (
  id            uuid        primary key default gen_random_uuid(),
  match_id      bigint      not null references matches (id),
  trigger_id    text        references triggers (id) on delete set null,
  action_id     bigint      references trigger_actions (id) on delete set null,
  occurrence    text        not null,
  event_id      text        not null,
  block_time    timestamptz not null,
  action_type   text        not null check (action_type in ('telegram', 'rest', 'mcp')),
  priority      integer     not null,
  state         text        not null default 'pending'
                check (state in ('pending', 'enqueued', 'running', 'succeeded', 'failed', 'cancelled', 'unknown')),
  -- How often a worker has claimed it.
  attempts      integer     not null default 0,
  -- When it may be enqueued (next).
  due_at        timestamptz not null default now(),
  enqueued_at   timestamptz,
  started_at    timestamptz,
  finished_at   timestamptz,
  -- While it runs: by whom, and until when that is believed without another sign of life.
  worker_id     text,
  lease_until   timestamptz,
  error_message text,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  unique (trigger_id, action_id, occurrence)
);

create index deliveries_due on deliveries (due_at) where state = 'pending';
create index deliveries_enqueued on deliveries (enqueued_at) where state = 'enqueued';
create index deliveries_running on deliveries (lease_until) where state = 'running';
create index deliveries_match on deliveries (match_id);
create index deliveries_action on deliveries (action_id);
create index deliveries_created on deliveries (created_at, id);

create trigger deliveries_updated_at before update on deliveries
  for each row execute function set_updated_at();

-- Every attempt at a delivery.
create table action_results (
  id            text        primary key default gen_random_uuid()::text,
  delivery_id   uuid        not null references deliveries (id) on delete cascade,
  job_id        text        not null,
  trigger_id    text        references triggers (id) on delete set null,
  event_id      text        not null,
  action_type   text        not null check (action_type in ('telegram', 'rest', 'mcp')),
  -- retrying: it failed and will be tried again; failed: it failed for good.
  status        text        not null check (status in ('success', 'failed', 'retrying')),
  executed_at   timestamptz not null,
  duration_ms   integer     not null,
  error_message text,
  response_data jsonb,
  -- 0 for the first attempt.
  retry_count   integer     not null,
  unique (delivery_id, retry_count)
);

create index action_results_trigger on action_results (trigger_id, executed_at desc);
create index action_results_event on action_results (event_id);
create index action_results_executed on action_results (executed_at desc);

-- Down Migration

drop table action_results;
drop table deliveries;
drop table matches;
drop table matcher_cursors;
