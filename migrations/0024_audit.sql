-- Up Migration

-- Who changed what: a row for each change that somebody asked for, written in the transaction of the change by triggers of the database, so
-- that there is neither without the other. docs/audit.md explains it.

create table audit_log (
  id            bigint      primary key generated always as identity,
  at            timestamptz not null default now(),
  -- Whose thing it is, and who may read it. It stays when the user goes. Null: nobody's, such as a sign-in under a name that there is not.
  user_id       text,
  -- anonymous: somebody who signs in. process: one of our own, with a name: the bot, the matcher, a command.
  actor_kind    text        not null check (actor_kind in ('operator', 'session', 'key', 'anonymous', 'process')),
  actor_user_id text,
  actor_key_id  uuid,
  actor_name    text,
  -- What it is about and what was done to it, such as trigger.update.
  action        text        not null,
  target_kind   text        not null,
  target_id     text,
  -- Columns that are named below, never all: what is a secret is not among them.
  before        jsonb,
  after         jsonb,
  address       inet,
  request_id    text,
  reason        text
);

create index audit_log_user on audit_log (user_id, id desc);

-- Also for the owner of the table, and for who replicates into it.
create function refuse_audit_change() returns trigger language plpgsql as $$
declare
  callers text;
begin
  get diagnostics callers = pg_context;
  if tg_op = 'DELETE' and callers ~ '\mforget_audit\(integer,integer\)' then
    return null;
  end if;
  raise exception 'audit_log is append-only: % is refused', lower(tg_op)
    using errcode = 'insufficient_privilege', hint = 'Old rows go by TOCSIN_AUDIT_RETENTION_DAYS.';
end $$;

create trigger audit_log_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_audit_change();
alter table audit_log enable always trigger audit_log_append_only;

-- The one way out, for the retention that whoever runs the installation has set. The oldest go first, a batch at a time.
create function forget_audit(days integer, batch integer) returns integer language plpgsql security definer as $$
declare
  forgotten integer;
begin
  if days < 1 then
    raise exception 'the audit log is kept for at least a day';
  end if;
  delete from audit_log
  where id in (select o.id from audit_log o order by o.id limit batch) and at < now() - days * interval '1 day';
  get diagnostics forgotten = row_count;
  return forgotten;
end $$;

-- Who acts is in app.actor until the end of the transaction (sql/manage/set-user.sql, set-actor.sql). Where it is not set, it is a process.
create function write_audit(of_user text, done text, of_kind text, of_id text, was jsonb, is_now jsonb) returns bigint
language plpgsql security definer as $$
declare
  actor jsonb := nullif(current_setting('app.actor', true), '');
  kind text := coalesce(actor ->> 'kind', 'process');
  written bigint;
begin
  insert into audit_log (
    user_id, actor_kind, actor_user_id, actor_key_id, actor_name, action, target_kind, target_id, before, after, address, request_id, reason
  )
  values (
    of_user,
    kind,
    -- Whoever signs in is who they then are.
    coalesce(actor ->> 'user_id', case when kind = 'anonymous' and done in ('login', 'user.create', 'wallet.link') then of_user end),
    (actor ->> 'key_id')::uuid,
    case when kind = 'process' then regexp_replace(current_setting('application_name'), '^tocsin ', '') end,
    done, of_kind, of_id, was, is_now,
    (actor ->> 'address')::inet,
    actor ->> 'request_id',
    actor ->> 'reason'
  )
  returning id into written;
  return written;
end $$;

-- A trigger as the log shows it. Of a URL nothing that signs somebody in, of headers and parameters the names.
create function audited_url(url text) returns text language sql immutable as $$
  select regexp_replace(regexp_replace(url, '[?#].*$', ''), '^([^/]*//)[^/@]*@', '\1')
$$;

create function audited_trigger(wanted text) returns jsonb language sql stable as $$
  select jsonb_build_object(
    'version', t.version, 'name', t.name, 'description', t.description, 'chain_id', t.chain_id, 'registry', t.registry,
    'enabled', t.enabled, 'circuit_breaker', t.circuit_breaker, 'finality', t.finality, 'from_block', t.from_block,
    'warm_up', t.warm_up, 'cooldown', t.cooldown, 'max_fires', t.max_fires, 'paused_reason', t.paused_reason,
    'conditions', coalesce(
      (
        select jsonb_agg(
          jsonb_build_object(
            'condition_type', c.condition_type, 'field', c.field, 'operator', c.operator, 'value', c.value, 'config', c.config
          ) order by c.position
        )
        from trigger_conditions c
        where c.trigger_id = t.id
      ),
      '[]'
    ),
    'actions', coalesce(
      (
        select jsonb_agg(
          jsonb_strip_nulls(jsonb_build_object(
            'id', a.id, 'action_type', a.action_type, 'priority', a.priority, 'alerts', a.alerts, 'finality', a.finality,
            'on_retraction', a.on_retraction,
            'url', audited_url(a.config ->> 'url'),
            'endpoint', audited_url(a.config ->> 'endpoint'),
            'headers', (select jsonb_agg(h.name order by h.name) from jsonb_object_keys(a.config -> 'headers') h (name)),
            'query', (select jsonb_agg(q.name order by q.name) from jsonb_object_keys(a.config -> 'query') q (name))
          )) || (
            select coalesce(jsonb_object_agg(s.key, s.value), '{}')
            from jsonb_each(a.config) s
            where s.key in (
              'method', 'body_template', 'batch', 'timeout_ms', 'max_attempts', 'retry_schedule', 'chat_id', 'message_template',
              'parse_mode', 'silent', 'buttons', 'resolve_endpoint', 'agent_id', 'tool_name', 'arguments_template', 'verify_file_hash'
            )
          )
          order by a.position
        )
        from trigger_actions a
        where a.trigger_id = t.id
      ),
      '[]'
    )
  )
  from triggers t
  where t.id = wanted
$$;

-- A trigger is a row with conditions and actions, which are written one after the other. How it was before the first of these is noted here,
-- and at the end of the transaction becomes one row of the log. Outside of a transaction the table is always empty.
create unlogged table audit_pending (
  transaction xid8  not null,
  trigger_id  text  not null,
  user_id     text  not null,
  before      jsonb,
  primary key (transaction, trigger_id)
);

create function note_audited_trigger(changed text, of_user text, was jsonb) returns void language plpgsql as $$
begin
  perform set_config('app.audit_noted', changed, true);
  insert into audit_pending (transaction, trigger_id, user_id, before)
  values (pg_current_xact_id(), changed, of_user, was)
  on conflict do nothing;
end $$;

create function audit_trigger() returns trigger language plpgsql security definer as $$
begin
  if tg_op = 'INSERT' then
    perform note_audited_trigger(new.id, new.user_id, null);
    return new;
  end if;
  -- A user who is deleted takes everything along, and is one row.
  if exists (select from users u where u.id = old.user_id) then
    perform note_audited_trigger(old.id, old.user_id, audited_trigger(old.id));
  end if;
  return case when tg_op = 'DELETE' then old else new end;
end $$;

create function audit_trigger_part() returns trigger language plpgsql security definer as $$
declare
  changed text := case when tg_op = 'DELETE' then old.trigger_id else new.trigger_id end;
  of_user text;
begin
  if current_setting('app.audit_noted', true) is distinct from changed then
    select t.user_id into of_user from triggers t where t.id = changed;
    if of_user is not null then
      perform note_audited_trigger(changed, of_user, audited_trigger(changed));
    end if;
  end if;
  return case when tg_op = 'DELETE' then old else new end;
end $$;

create function write_audited_trigger() returns trigger language plpgsql security definer as $$
declare
  is_now jsonb := audited_trigger(new.trigger_id);
begin
  delete from audit_pending p where p.transaction = new.transaction and p.trigger_id = new.trigger_id;
  perform set_config('app.audit_noted', '', true);
  if new.before is distinct from is_now and exists (select from users u where u.id = new.user_id) then
    perform write_audit(
      new.user_id,
      case when new.before is null then 'trigger.create' when is_now is null then 'trigger.delete' else 'trigger.update' end,
      'trigger', new.trigger_id, new.before, is_now
    );
  end if;
  return null;
end $$;

create trigger triggers_audited before insert or update or delete on triggers
  for each row execute function audit_trigger();
create trigger trigger_conditions_audited before insert or update or delete on trigger_conditions
  for each row execute function audit_trigger_part();
create trigger trigger_actions_audited before insert or update or delete on trigger_actions
  for each row execute function audit_trigger_part();
create constraint trigger audit_pending_written after insert on audit_pending
  deferrable initially deferred for each row execute function write_audited_trigger();

create function audit_user() returns trigger language plpgsql security definer as $$
begin
  if tg_op = 'INSERT' then
    perform write_audit(new.id, 'user.create', 'user', new.id, null,
      jsonb_build_object('username', new.username, 'is_admin', new.is_admin, 'is_active', new.is_active));
    return null;
  end if;
  if tg_op = 'DELETE' then
    perform write_audit(old.id, 'user.delete', 'user', old.id,
      jsonb_build_object('username', old.username, 'is_admin', old.is_admin, 'is_active', old.is_active), null);
    return null;
  end if;
  if old.password_hash is distinct from new.password_hash then
    perform write_audit(new.id, 'password.change', 'user', new.id, null, null);
  end if;
  if (old.username, old.is_admin, old.is_active) is distinct from (new.username, new.is_admin, new.is_active) then
    perform write_audit(new.id, 'user.update', 'user', new.id,
      jsonb_build_object('username', old.username, 'is_admin', old.is_admin, 'is_active', old.is_active),
      jsonb_build_object('username', new.username, 'is_admin', new.is_admin, 'is_active', new.is_active));
  end if;
  if old.last_login_at is distinct from new.last_login_at then
    perform write_audit(new.id, 'login', 'user', new.id, null, null);
  end if;
  return null;
end $$;

create trigger users_audited after insert or delete or update of username, password_hash, is_admin, is_active, last_login_at on users
  for each row execute function audit_user();

-- A session is a family of refresh tokens, of which one has not been exchanged yet.
create function audit_sessions() returns trigger language plpgsql security definer as $$
begin
  perform write_audit(n.user_id, 'session.end', 'session', n.family_id::text, null, null)
  from after_rows n
  join before_rows o on o.id = n.id
  where o.revoked_at is null and n.revoked_at is not null and n.used_at is null and n.expires_at > now();
  return null;
end $$;

create trigger refresh_tokens_audited after update on refresh_tokens
  referencing old table as before_rows new table as after_rows
  for each statement execute function audit_sessions();

create function audit_wallet() returns trigger language plpgsql security definer as $$
begin
  if tg_op = 'INSERT' then
    perform write_audit(new.user_id, 'wallet.link', 'wallet', new.address, null, null);
  elsif exists (select from users u where u.id = old.user_id) then
    perform write_audit(old.user_id, 'wallet.unlink', 'wallet', old.address, null, null);
  end if;
  return null;
end $$;

create trigger user_wallets_audited after insert or delete on user_wallets for each row execute function audit_wallet();

create function audited_key(k api_keys) returns jsonb language sql immutable as $$
  select jsonb_build_object(
    'name', k.name, 'prefix', k.prefix, 'scopes', k.scopes, 'expires_at', k.expires_at, 'revoked_at', k.revoked_at
  )
$$;

create function audit_key() returns trigger language plpgsql security definer as $$
begin
  if tg_op = 'INSERT' then
    perform write_audit(new.user_id, 'key.create', 'key', new.id::text, null, audited_key(new));
  elsif tg_op = 'UPDATE' then
    perform write_audit(
      new.user_id,
      case when old.revoked_at is null and new.revoked_at is not null then 'key.revoke' else 'key.update' end,
      'key', new.id::text, audited_key(old), audited_key(new)
    );
  elsif exists (select from users u where u.id = old.user_id) then
    perform write_audit(old.user_id, 'key.delete', 'key', old.id::text, audited_key(old), null);
  end if;
  return null;
end $$;

create trigger api_keys_audited after insert or delete on api_keys for each row execute function audit_key();
create trigger api_keys_change_audited after update of name, scopes, expires_at, revoked_at on api_keys
  for each row
  when ((old.name, old.scopes, old.expires_at, old.revoked_at) is distinct from (new.name, new.scopes, new.expires_at, new.revoked_at))
  execute function audit_key();

-- How a destination fares, the relay and the worker write all the time: that is no change that anybody asked for.
create function audited_destination(d destinations) returns jsonb language sql immutable as $$
  select jsonb_build_object(
    'action_type', d.action_type, 'address', d.address, 'in_flight_max', d.in_flight_max, 'per_second_max', d.per_second_max,
    'disabled_reason', d.disabled_reason
  )
$$;

create function audit_destination() returns trigger language plpgsql security definer as $$
begin
  perform write_audit(
    new.user_id,
    case when old.disabled_at is null and new.disabled_at is not null then 'destination.disable' else 'destination.update' end,
    'destination', new.id::text, audited_destination(old), audited_destination(new)
  );
  return null;
end $$;

create trigger destinations_audited after update on destinations
  for each row
  when (
    old.in_flight_max <> new.in_flight_max or old.per_second_max is distinct from new.per_second_max
    or (old.disabled_at is null and new.disabled_at is not null)
  )
  execute function audit_destination();

-- The one that signs has no end, and gets one, or goes, when another takes its place.
create function audit_signing_secret() returns trigger language plpgsql security definer as $$
begin
  perform write_audit(
    d.user_id, 'signing_secret.rotate', 'destination', d.id::text, null,
    jsonb_build_object('previous_expires_at', case when tg_op = 'UPDATE' then new.expires_at else now() end)
  )
  from destinations d
  join users u on u.id = d.user_id
  where d.id = old.destination_id;
  return null;
end $$;

create trigger destination_secrets_end_audited after update of expires_at on destination_secrets
  for each row when (old.expires_at is null and new.expires_at is not null) execute function audit_signing_secret();
create trigger destination_secrets_deletion_audited after delete on destination_secrets
  for each row when (old.expires_at is null) execute function audit_signing_secret();

create function audited_chat(c telegram_chats) returns jsonb language sql immutable as $$
  select jsonb_build_object(
    'kind', c.kind, 'title', c.title, 'linked_at', c.linked_at, 'unsubscribed_at', c.unsubscribed_at,
    'unsubscribed_reason', c.unsubscribed_reason, 'muted_until', c.muted_until
  )
$$;

create function audit_chat() returns trigger language plpgsql security definer as $$
begin
  if tg_op = 'INSERT' then
    perform write_audit(new.user_id, 'telegram_chat.link', 'telegram_chat', new.chat_id, null, audited_chat(new));
  elsif tg_op = 'UPDATE' then
    perform write_audit(new.user_id, 'telegram_chat.update', 'telegram_chat', new.chat_id, audited_chat(old), audited_chat(new));
  elsif exists (select from users u where u.id = old.user_id) then
    perform write_audit(old.user_id, 'telegram_chat.unlink', 'telegram_chat', old.chat_id, audited_chat(old), null);
  end if;
  return null;
end $$;

create trigger telegram_chats_audited after insert or delete on telegram_chats for each row execute function audit_chat();
create trigger telegram_chats_change_audited after update on telegram_chats
  for each row
  when (
    (old.chat_id, old.kind, old.title, old.linked_at, old.unsubscribed_at, old.muted_until)
    is distinct from (new.chat_id, new.kind, new.title, new.linked_at, new.unsubscribed_at, new.muted_until)
  )
  execute function audit_chat();

create function audit_link_code() returns trigger language plpgsql security definer as $$
begin
  perform write_audit(new.user_id, 'telegram_link_code.create', 'telegram_link_code', null, null,
    jsonb_build_object('expires_at', new.expires_at));
  return null;
end $$;

create trigger telegram_link_codes_audited after insert on telegram_link_codes for each row execute function audit_link_code();

create function audit_mcp_token() returns trigger language plpgsql security definer as $$
begin
  if tg_op = 'INSERT' then
    perform write_audit(new.user_id, 'mcp_token.create', 'mcp_token', new.chain_id || '/' || new.agent_id, null,
      jsonb_build_object('endpoint', audited_url(new.endpoint)));
  elsif tg_op = 'UPDATE' then
    perform write_audit(new.user_id, 'mcp_token.update', 'mcp_token', new.chain_id || '/' || new.agent_id,
      jsonb_build_object('endpoint', audited_url(old.endpoint)), jsonb_build_object('endpoint', audited_url(new.endpoint)));
  elsif exists (select from users u where u.id = old.user_id) then
    perform write_audit(old.user_id, 'mcp_token.delete', 'mcp_token', old.chain_id || '/' || old.agent_id,
      jsonb_build_object('endpoint', audited_url(old.endpoint)), null);
  end if;
  return null;
end $$;

create trigger agent_mcp_tokens_audited after insert or delete on agent_mcp_tokens for each row execute function audit_mcp_token();
-- The same token under another key of the installation (tocsin secrets rotate) is no change of it.
create trigger agent_mcp_tokens_change_audited after update on agent_mcp_tokens
  for each row
  when (old.endpoint <> new.endpoint or (old.token <> new.token and coalesce(current_setting('app.actor', true), '') <> ''))
  execute function audit_mcp_token();

-- They run as the owner, who writes what the role of the API may only read.
do $definers$
declare
  definer regprocedure;
begin
  for definer in
    select p.oid from pg_proc p
    where p.pronamespace = current_schema()::regnamespace and p.prosecdef
      and (p.proname like 'audit\_%' or p.proname in ('write_audit', 'write_audited_trigger', 'forget_audit'))
  loop
    execute format('alter function %s set search_path = %I, pg_temp', definer, current_schema());
    execute format('revoke execute on function %s from public', definer);
  end loop;
end $definers$;

-- Retrying and cancelling deliveries, testing triggers and resetting destinations say by themselves what they do (sql/manage).
grant execute on function write_audit(text, text, text, text, jsonb, jsonb) to tocsin_api;

grant select on audit_log to tocsin_api;
alter table audit_log enable row level security;
create policy own on audit_log to tocsin_api using (user_id = (select app_user()));

-- Down Migration

drop trigger agent_mcp_tokens_change_audited on agent_mcp_tokens;
drop trigger agent_mcp_tokens_audited on agent_mcp_tokens;
drop trigger telegram_link_codes_audited on telegram_link_codes;
drop trigger telegram_chats_change_audited on telegram_chats;
drop trigger telegram_chats_audited on telegram_chats;
drop trigger destination_secrets_deletion_audited on destination_secrets;
drop trigger destination_secrets_end_audited on destination_secrets;
drop trigger destinations_audited on destinations;
drop trigger api_keys_change_audited on api_keys;
drop trigger api_keys_audited on api_keys;
drop trigger user_wallets_audited on user_wallets;
drop trigger refresh_tokens_audited on refresh_tokens;
drop trigger users_audited on users;
drop trigger trigger_actions_audited on trigger_actions;
drop trigger trigger_conditions_audited on trigger_conditions;
drop trigger triggers_audited on triggers;
drop table audit_pending;
drop table audit_log;
drop function audit_mcp_token();
drop function audit_link_code();
drop function audit_chat();
drop function audited_chat(telegram_chats);
drop function audit_signing_secret();
drop function audit_destination();
drop function audited_destination(destinations);
drop function audit_key();
drop function audited_key(api_keys);
drop function audit_wallet();
drop function audit_sessions();
drop function audit_user();
drop function write_audited_trigger();
drop function audit_trigger_part();
drop function audit_trigger();
drop function note_audited_trigger(text, text, jsonb);
drop function audited_trigger(text);
drop function audited_url(text);
drop function write_audit(text, text, text, text, jsonb, jsonb);
drop function forget_audit(integer, integer);
drop function refuse_audit_change();
