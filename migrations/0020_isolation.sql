-- Up Migration

-- A user sees what is theirs. The API runs what it does for a user as the role tocsin_api, by `set local role`, with the user's id in
-- app.current_user_id (sql/manage/set-user.sql). Everything else runs as the owner of the tables, whom no policy holds.
-- A table that is not named here cannot be seen by that role at all. docs/accounts.md explains it.

-- A role belongs to the whole server: other databases of it may have made it, or be making it now.
do $role$
begin
  if not exists (select from pg_roles where rolname = 'tocsin_api') then
    begin
      create role tocsin_api nologin;
    exception
      when duplicate_object or unique_violation then null;
      when insufficient_privilege then
        raise exception 'the user "%" may not create roles, and the role tocsin_api is missing. Let an administrator run: create role tocsin_api nologin; grant tocsin_api to "%"',
          current_user, current_user;
    end;
  end if;
  if exists (select from pg_roles where rolname = 'tocsin_api' and (rolsuper or rolbypassrls)) then
    raise exception 'the role tocsin_api bypasses row-level security: it must be neither superuser nor bypassrls';
  end if;
  -- The owner takes the role on. A superuser can already; others need to be members, since Postgres 16 with the right to set it.
  if not pg_has_role(current_user, 'tocsin_api', case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end) then
    begin
      execute format('grant tocsin_api to %I', current_user);
    exception
      when unique_violation then null;
      when insufficient_privilege then
        raise exception 'the user "%" is no member of the role tocsin_api. Let an administrator run: grant tocsin_api to "%"', current_user, current_user;
    end;
  end if;
end $role$;

do $usage$
begin
  execute format('grant usage on schema %I to tocsin_api', current_schema());
end $usage$;

-- Nobody, where it is not set: no id is null.
create function app_user() returns text language sql stable as $$
  select nullif(current_setting('app.current_user_id', true), '')
$$;

-- Of nobody, for everybody.
grant select on
  events, event_status, newest_event_status, events_canonical, checkpoints, chain_heads, matcher_cursors, telegram_bots
to tocsin_api;

-- Written by a database trigger, for whoever changes a trigger. It holds the ids of everybody's.
alter function note_trigger_change() security definer;
do $path$
begin
  execute format('alter function note_trigger_change() set search_path = %I, pg_temp', current_schema());
end $path$;

-- What has a user_id. Users, their sessions and wallets are read and written by what signs people in, before there is a user: as the owner.
grant select, insert, update, delete on
  triggers, destinations, telegram_chats, telegram_link_codes, agent_mcp_tokens, api_keys
to tocsin_api;
alter table triggers enable row level security;
alter table destinations enable row level security;
alter table telegram_chats enable row level security;
alter table telegram_link_codes enable row level security;
alter table agent_mcp_tokens enable row level security;
alter table api_keys enable row level security;
create policy own on triggers to tocsin_api using (user_id = (select app_user()));
create policy own on destinations to tocsin_api using (user_id = (select app_user()));
create policy own on telegram_chats to tocsin_api using (user_id = (select app_user()));
create policy own on telegram_link_codes to tocsin_api using (user_id = (select app_user()));
create policy own on agent_mcp_tokens to tocsin_api using (user_id = (select app_user()));
create policy own on api_keys to tocsin_api using (user_id = (select app_user()));

-- Alerts about chains are nobody's own, and can be read by everybody.
grant select, update on alerts to tocsin_api;
alter table alerts enable row level security;
create policy own on alerts to tocsin_api using (user_id = (select app_user()));
create policy everybodys on alerts for select to tocsin_api using (user_id is null);

-- What belongs to something that has one.
grant select, insert, update, delete on trigger_conditions, trigger_actions, destination_secrets to tocsin_api;
grant select on trigger_state, trigger_progress, undecided_events to tocsin_api;
alter table trigger_conditions enable row level security;
alter table trigger_actions enable row level security;
alter table destination_secrets enable row level security;
alter table trigger_state enable row level security;
alter table trigger_progress enable row level security;
alter table undecided_events enable row level security;
create policy own on trigger_conditions to tocsin_api
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
create policy own on trigger_actions to tocsin_api
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
create policy own on trigger_state to tocsin_api
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
create policy own on trigger_progress to tocsin_api
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
create policy own on undecided_events to tocsin_api
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
create policy own on destination_secrets to tocsin_api
  using (exists (select from destinations x where x.id = destination_id and x.user_id = (select app_user())));

-- A delivery is of whose trigger it is of. A trigger that is deleted leaves its deliveries behind without it: they are then of whose
-- destination they go to, which is the same user. What has neither any more is nobody's.
grant select, insert, update on deliveries to tocsin_api;
grant select on matches, action_results to tocsin_api;
alter table deliveries enable row level security;
alter table matches enable row level security;
alter table action_results enable row level security;
create policy own on deliveries to tocsin_api using (
  trigger_id in (select t.id from triggers t where t.user_id = (select app_user()))
  or destination_id in (select x.id from destinations x where x.user_id = (select app_user()))
);
create policy own on matches to tocsin_api using (
  trigger_id in (select t.id from triggers t where t.user_id = (select app_user()))
  or (trigger_id is null and exists (
    select from deliveries d join destinations x on x.id = d.destination_id
    where d.match_id = matches.id and x.user_id = (select app_user())
  ))
);
create policy own on action_results to tocsin_api using (
  trigger_id in (select t.id from triggers t where t.user_id = (select app_user()))
  or (trigger_id is null and exists (
    select from deliveries d join destinations x on x.id = d.destination_id
    where d.id = delivery_id and x.user_id = (select app_user())
  ))
);

-- Down Migration

alter function note_trigger_change() security invoker;
alter function note_trigger_change() reset search_path;
do $policies$
declare
  held record;
begin
  for held in
    select p.polname, p.polrelid::regclass as relation
    from pg_policy p join pg_class c on c.oid = p.polrelid
    where c.relnamespace = current_schema()::regnamespace and p.polname in ('own', 'everybodys')
  loop
    execute format('drop policy %I on %s', held.polname, held.relation);
    execute format('alter table %s disable row level security', held.relation);
  end loop;
  -- The role stays: other databases of the server may use it.
  execute format('revoke all on all tables in schema %I from tocsin_api', current_schema());
  execute format('revoke all on schema %I from tocsin_api', current_schema());
end $policies$;
drop function app_user();
