-- Up Migration

-- Who may use the API, and with what. docs/accounts.md explains it.

alter table users
  add column is_admin boolean not null default false;
comment on column users.password_hash is 'bcrypt, cost 12. Null: signs in with a wallet, or (bootstrap) not at all';

-- One row for each refresh token that was given out. Those of one sign-in are a family: a session.
create table refresh_tokens (
  id         bigint      primary key generated always as identity,
  family_id  uuid        not null,
  user_id    text        not null references users (id) on delete cascade,
  -- SHA-256
  token_hash bytea       not null unique,
  expires_at timestamptz not null,
  -- When it was exchanged for the next one. Whoever comes with it again is not alone in having it.
  used_at    timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now()
);

create index refresh_tokens_family on refresh_tokens (family_id);
create index refresh_tokens_user on refresh_tokens (user_id);
create index refresh_tokens_expires on refresh_tokens (expires_at);

create table api_keys (
  id           uuid        primary key default gen_random_uuid(),
  user_id      text        not null references users (id) on delete cascade,
  name         text        not null,
  -- The beginning of the key, by which its owner knows it.
  prefix       text        not null,
  -- SHA-256 of the whole key.
  key_hash     bytea       not null unique,
  scopes       text[]      not null,
  expires_at   timestamptz,
  revoked_at   timestamptz,
  -- Written at most once a minute.
  last_used_at timestamptz,
  created_at   timestamptz not null default now()
);

create index api_keys_user on api_keys (user_id, created_at desc, id desc);

-- Wallets that a user signs in with.
create table user_wallets (
  address    text        primary key check (address ~ '^0x[0-9a-f]{40}$'),
  user_id    text        not null references users (id) on delete cascade,
  created_at timestamptz not null default now()
);

create index user_wallets_user on user_wallets (user_id);

-- What a wallet has to sign: works once and not for long.
create table sign_in_nonces (
  nonce      text        primary key,
  expires_at timestamptz not null
);

create index sign_in_nonces_expires on sign_in_nonces (expires_at);

-- Failed sign-ins in a row under a name, whether there is such a user or not. Rows of a day ago go.
create table login_failures (
  -- SHA-256
  name_hash    bytea       primary key,
  failures     integer     not null,
  -- No attempt is looked at before.
  locked_until timestamptz not null,
  updated_at   timestamptz not null default now()
);

create index login_failures_updated on login_failures (updated_at);

-- What access tokens are signed with: the newest signs, the others verify what they have signed.
create table token_keys (
  kid         text        primary key,
  public_key  jsonb       not null,
  -- AES-256-GCM, with the id of its key.
  private_key text        not null check (private_key like 'sealed:%'),
  created_at  timestamptz not null default now()
);

-- Down Migration

drop table token_keys;
drop table login_failures;
drop table sign_in_nonces;
drop table user_wallets;
drop table api_keys;
drop table refresh_tokens;
alter table users drop column is_admin;
comment on column users.password_hash is null;
