-- Up Migration

create function set_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end $$;

create table users (
  id            text        primary key default gen_random_uuid()::text,
  username      text        not null unique,
  email         text        unique,
  password_hash text,
  is_active     boolean     not null default true,
  last_login_at timestamptz,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now()
);

create trigger users_updated_at before update on users
  for each row execute function set_updated_at();

create table triggers (
  id           text        primary key default gen_random_uuid()::text,
  user_id      text        not null references users (id) on delete cascade,
  name         text        not null,
  description  text,
  chain_id     bigint      not null,
  registry     text        not null check (registry in ('identity', 'reputation', 'validation')),
  enabled      boolean     not null default true,
  is_stateful  boolean     not null default false,
  -- Counts the changes of the document; a match records the one it was decided by.
  version      integer     not null default 1,
  -- Events of blocks before this time are history for the trigger and fire nothing. Set when it is created or enabled.
  active_since timestamptz not null default date_trunc('second', now()),
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now()
);

create index triggers_user on triggers (user_id);
create index triggers_enabled on triggers (chain_id, registry) where enabled;

create trigger triggers_updated_at before update on triggers
  for each row execute function set_updated_at();

create table trigger_conditions (
  id             bigint      primary key generated always as identity,
  trigger_id     text        not null references triggers (id) on delete cascade,
  position       integer     not null,
  condition_type text        not null,
  field          text        not null,
  operator       text        not null,
  -- A string, number or boolean; a list for the operators in and not_in.
  value          jsonb       not null,
  config         jsonb       not null default '{}',
  created_at     timestamptz not null default now(),
  unique (trigger_id, position) deferrable initially deferred
);

create table trigger_actions (
  id          bigint      primary key generated always as identity,
  trigger_id  text        not null references triggers (id) on delete cascade,
  position    integer     not null,
  action_type text        not null check (action_type in ('telegram', 'rest', 'mcp')),
  -- A lower number goes first.
  priority    integer     not null default 1,
  config      jsonb       not null,
  created_at  timestamptz not null default now(),
  unique (trigger_id, position) deferrable initially deferred
);

-- One row a chain, counting the changes of its triggers: a matcher that knows the revision knows whether its copy is current.
create table trigger_revisions (
  chain_id   bigint      primary key,
  revision   bigint      not null default 1,
  updated_at timestamptz not null default now()
);

create function note_trigger_change() returns trigger language plpgsql as $$
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

create trigger triggers_changed after insert or update or delete on triggers
  for each row execute function note_trigger_change();
create trigger trigger_conditions_changed after insert or update or delete on trigger_conditions
  for each row execute function note_trigger_change();
create trigger trigger_actions_changed after insert or update or delete on trigger_actions
  for each row execute function note_trigger_change();

-- Down Migration

drop table trigger_revisions;
drop table trigger_actions;
drop table trigger_conditions;
drop table triggers;
drop table users;
drop function note_trigger_change();
drop function set_updated_at();
