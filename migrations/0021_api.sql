-- Up Migration

-- What a request with an Idempotency-Key was answered with, for a day: docs/api.md. A row is written in the transaction that did what was
-- asked for, so that there is never one without the other; who is at it holds an advisory lock meanwhile.
create table idempotency_keys (
  user_id     text        not null references users (id) on delete cascade,
  key         text        not null check (length(key) between 1 and 255),
  -- SHA-256 of what was asked for.
  fingerprint bytea       not null,
  status      integer     not null check (status between 200 and 499),
  headers     jsonb       not null,
  -- AES-256-GCM, with the id of its key: an answer can hold a secret that is shown once.
  body        text        not null check (body like 'sealed:%'),
  created_at  timestamptz not null default now(),
  primary key (user_id, key)
);

create index idempotency_keys_created on idempotency_keys (created_at);

grant select, insert, update on idempotency_keys to tocsin_api;
alter table idempotency_keys enable row level security;
create policy own on idempotency_keys to tocsin_api using (user_id = (select app_user()));

-- Users by age, for administrators.
create index users_created on users (created_at desc, id desc);

-- Down Migration

drop index users_created;
drop table idempotency_keys;
