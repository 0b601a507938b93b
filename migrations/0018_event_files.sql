-- Up Migration

-- The files that events name, for triggers that look into them: what is to be fetched, and the verdict. docs/files.md explains it.
create table event_files (
  -- Hash of the URI and the expected hash; of a file that may change at its place, also of the occurrence that names it.
  key           text        primary key,
  uri           text        not null,
  expected_hash text,
  -- Where it is fetched from: a host, or a scheme that has none ('ipfs:', 'data:').
  host          text        not null,
  status        text        not null default 'waiting' check (status in ('waiting', 'fetched', 'failed')),
  -- Why it could not be fetched, or why its content is not kept. While it waits: what the last try said.
  error         text,
  -- raw, jcs, sorted_keys, mismatch, unavailable
  hash_verdict  text        not null default 'unavailable',
  -- Of a fetched file that is JSON of a bounded size.
  content       jsonb,
  size_bytes    integer,
  -- The chains whose matchers wait for it.
  chain_ids     bigint[]    not null,
  attempts      integer     not null default 0,
  due_at        timestamptz not null default now(),
  worker_id     text,
  lease_until   timestamptz,
  requested_at  timestamptz not null default now(),
  -- When the verdict was found.
  fetched_at    timestamptz
);

create index event_files_waiting on event_files (host, due_at) where status = 'waiting';
create index event_files_leased on event_files (lease_until) where status = 'waiting' and lease_until is not null;
create index event_files_fetched_at on event_files (fetched_at) where fetched_at is not null;

-- Down Migration

drop table event_files;
