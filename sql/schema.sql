-- The schema that the migrations make. Generated: npm run dump-schema

-- function app_user()
CREATE OR REPLACE FUNCTION public.app_user()
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select nullif(current_setting('app.current_user_id', true), '')
$function$;

-- function apply_events_retention(integer)
CREATE OR REPLACE FUNCTION public.apply_events_retention(keep_days integer)
 RETURNS text[]
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function attach_ingest(text)
CREATE OR REPLACE FUNCTION public.attach_ingest(schema_name text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  -- Ponder's rows are for Ponder, which hardly ever reads them. They hold the same text as events, where it is compressed: once is enough.
  execute format('alter table %I.registry_event set (toast_tuple_target = 4080)', schema_name);
  execute format('create or replace trigger ingest_inserted after insert on %I.registry_event
    referencing new table as inserted for each statement execute function ingest_inserted()', schema_name);
  execute format('create or replace trigger ingest_deleted after delete on %I.registry_event
    referencing old table as deleted for each statement execute function ingest_deleted()', schema_name);
  -- Whether Ponder set the column, not whether it changed: a block can replace another at its number and time.
  execute format('create or replace trigger ingest_checkpoint after insert or update of latest_checkpoint on %I._ponder_checkpoint
    for each row execute function ingest_checkpoint()', schema_name);
  execute format('create or replace trigger ingest_finalized after update of finalized_checkpoint on %I._ponder_checkpoint
    for each row when (new.finalized_checkpoint <> new.latest_checkpoint) execute function ingest_finalized()', schema_name);

  -- Where another schema spoke before, unfinalized events may be unknown to this one: nothing would ever delete them.
  update ingest_progress p
  set ponder_schema = schema_name,
    unchecked_from = least(p.unchecked_from, c.finalized_block_number + 1),
    unchecked_to = greatest(p.unchecked_to, p.highest_block, c.finalized_block_number + 1)
  from checkpoints c
  where c.chain_id = p.chain_id and p.ponder_schema <> schema_name;
end $function$;

-- function audit_chat()
CREATE OR REPLACE FUNCTION public.audit_chat()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if tg_op = 'INSERT' then
    perform write_audit(new.user_id, 'telegram_chat.link', 'telegram_chat', new.chat_id, null, audited_chat(new));
  elsif tg_op = 'UPDATE' then
    perform write_audit(new.user_id, 'telegram_chat.update', 'telegram_chat', new.chat_id, audited_chat(old), audited_chat(new));
  elsif exists (select from users u where u.id = old.user_id) then
    perform write_audit(old.user_id, 'telegram_chat.unlink', 'telegram_chat', old.chat_id, audited_chat(old), null);
  end if;
  return null;
end $function$;

-- function audit_destination()
CREATE OR REPLACE FUNCTION public.audit_destination()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  perform write_audit(
    new.user_id,
    case when old.disabled_at is null and new.disabled_at is not null then 'destination.disable' else 'destination.update' end,
    'destination', new.id::text, audited_destination(old), audited_destination(new)
  );
  return null;
end $function$;

-- function audit_key()
CREATE OR REPLACE FUNCTION public.audit_key()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function audit_link_code()
CREATE OR REPLACE FUNCTION public.audit_link_code()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  perform write_audit(new.user_id, 'telegram_link_code.create', 'telegram_link_code', null, null,
    jsonb_build_object('expires_at', new.expires_at));
  return null;
end $function$;

-- function audit_mcp_token()
CREATE OR REPLACE FUNCTION public.audit_mcp_token()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function audit_sessions()
CREATE OR REPLACE FUNCTION public.audit_sessions()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  perform write_audit(n.user_id, 'session.end', 'session', n.family_id::text, null, null)
  from after_rows n
  join before_rows o on o.id = n.id
  where o.revoked_at is null and n.revoked_at is not null and n.used_at is null and n.expires_at > now();
  return null;
end $function$;

-- function audit_signing_secret()
CREATE OR REPLACE FUNCTION public.audit_signing_secret()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  perform write_audit(
    d.user_id, 'signing_secret.rotate', 'destination', d.id::text, null,
    jsonb_build_object('previous_expires_at', case when tg_op = 'UPDATE' then new.expires_at else now() end)
  )
  from destinations d
  join users u on u.id = d.user_id
  where d.id = old.destination_id;
  return null;
end $function$;

-- function audit_trigger()
CREATE OR REPLACE FUNCTION public.audit_trigger()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function audit_trigger_part()
CREATE OR REPLACE FUNCTION public.audit_trigger_part()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function audit_user()
CREATE OR REPLACE FUNCTION public.audit_user()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function audit_wallet()
CREATE OR REPLACE FUNCTION public.audit_wallet()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if tg_op = 'INSERT' then
    perform write_audit(new.user_id, 'wallet.link', 'wallet', new.address, null, null);
  elsif exists (select from users u where u.id = old.user_id) then
    perform write_audit(old.user_id, 'wallet.unlink', 'wallet', old.address, null, null);
  end if;
  return null;
end $function$;

-- function audited_chat(telegram_chats)
CREATE OR REPLACE FUNCTION public.audited_chat(c telegram_chats)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select jsonb_build_object(
    'kind', c.kind, 'title', c.title, 'linked_at', c.linked_at, 'unsubscribed_at', c.unsubscribed_at,
    'unsubscribed_reason', c.unsubscribed_reason, 'muted_until', c.muted_until
  )
$function$;

-- function audited_destination(destinations)
CREATE OR REPLACE FUNCTION public.audited_destination(d destinations)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select jsonb_build_object(
    'action_type', d.action_type, 'address', d.address, 'in_flight_max', d.in_flight_max, 'per_second_max', d.per_second_max,
    'disabled_reason', d.disabled_reason
  )
$function$;

-- function audited_key(api_keys)
CREATE OR REPLACE FUNCTION public.audited_key(k api_keys)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select jsonb_build_object(
    'name', k.name, 'prefix', k.prefix, 'scopes', k.scopes, 'expires_at', k.expires_at, 'revoked_at', k.revoked_at
  )
$function$;

-- function audited_trigger(text)
CREATE OR REPLACE FUNCTION public.audited_trigger(wanted text)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;

-- function audited_url(text)
CREATE OR REPLACE FUNCTION public.audited_url(url text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select regexp_replace(regexp_replace(url, '[?#].*$', ''), '^([^/]*//)[^/@]*@', '\1')
$function$;

-- function block_telegram(text,text,integer)
CREATE OR REPLACE FUNCTION public.block_telegram(bot text, chat text, block_ms integer)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  until constant timestamptz := clock_timestamp() + block_ms * interval '1 millisecond';
begin
  insert into telegram_limits (bot_id, chat_id, blocked_until) values (bot, chat, until)
  on conflict (bot_id, chat_id) do update set blocked_until = greatest(telegram_limits.blocked_until, excluded.blocked_until);
  if exists (
    select from telegram_limits l
    where l.bot_id = bot and l.chat_id not in ('', chat) and l.blocked_until > clock_timestamp()
  ) then
    insert into telegram_limits (bot_id, chat_id, blocked_until) values (bot, '', until)
    on conflict (bot_id, chat_id) do update set blocked_until = greatest(telegram_limits.blocked_until, excluded.blocked_until);
  end if;
end $function$;

-- function cleanup_old_action_results(interval,integer)
CREATE OR REPLACE FUNCTION public.cleanup_old_action_results(keep interval DEFAULT '90 days'::interval, batch_size integer DEFAULT 10000)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function count_events()
CREATE OR REPLACE FUNCTION public.count_events()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function destination_address(text,jsonb)
CREATE OR REPLACE FUNCTION public.destination_address(action_type text, config jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select case action_type
    when 'rest' then url_address(config ->> 'url')
    when 'mcp' then url_address(config ->> 'endpoint')
    when 'telegram' then config ->> 'chat_id'
  end
$function$;

-- function ensure_events_partitions(timestamp with time zone,timestamp with time zone)
CREATE OR REPLACE FUNCTION public.ensure_events_partitions(until timestamp with time zone, since timestamp with time zone DEFAULT '2025-10-01 00:00:00+00'::timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function events_are_hypertable()
CREATE OR REPLACE FUNCTION public.events_are_hypertable()
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select not exists (select from pg_partitioned_table where partrelid = 'events'::regclass)
$function$;

-- function fold_event_counts()
CREATE OR REPLACE FUNCTION public.fold_event_counts()
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function forget_audit(integer,integer)
CREATE OR REPLACE FUNCTION public.forget_audit(days integer, batch integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function ingest_attached(text)
CREATE OR REPLACE FUNCTION public.ingest_attached(schema_name text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select count(*) = 4
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid
  join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = schema_name
    and (c.relname, t.tgname) in (
      ('registry_event', 'ingest_inserted'),
      ('registry_event', 'ingest_deleted'),
      ('_ponder_checkpoint', 'ingest_checkpoint'),
      ('_ponder_checkpoint', 'ingest_finalized'))
$function$;

-- function ingest_checkpoint()
CREATE OR REPLACE FUNCTION public.ingest_checkpoint()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function ingest_deleted()
CREATE OR REPLACE FUNCTION public.ingest_deleted()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  update ingest_progress p
  set unchecked_from = least(p.unchecked_from, d.first_block),
    unchecked_to = greatest(p.unchecked_to, p.highest_block, d.last_block)
  from (
    select chain_id, min(block_number) as first_block, max(block_number) as last_block from deleted group by chain_id
  ) d
  where p.chain_id = d.chain_id and p.ponder_schema = tg_table_schema;
  return null;
end $function$;

-- function ingest_finalized()
CREATE OR REPLACE FUNCTION public.ingest_finalized()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  perform set_config('synchronous_commit', 'on', true);
  update checkpoints c
  set finalized_block_number = ponder_checkpoint_block(new.finalized_checkpoint), updated_at = clock_timestamp()
  from ingest_progress p
  where c.chain_id = new.chain_id and p.chain_id = new.chain_id and p.ponder_schema = tg_table_schema
    and c.finalized_block_number < ponder_checkpoint_block(new.finalized_checkpoint);
  if found then
    perform pg_notify('new_event', new.chain_id::text);
  end if;
  return null;
end $function$;

-- function ingest_inserted()
CREATE OR REPLACE FUNCTION public.ingest_inserted()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  arrived bigint;
  added bigint;
begin
  -- Only the first block of a statement can have begun in an earlier one.
  with first_logs as (
    select distinct on (chain_id) chain_id, block_number, block_hash, to_timestamp(block_timestamp) as block_time, log_index
    from inserted
    order by chain_id, block_number, log_index
  ),
  earlier as (
    select f.chain_id, f.block_number, f.block_hash, e.*
    from first_logs f
    cross join lateral (
      select transaction_index, contract_address, topics, data, count(*) as logs
      from events
      where chain_id = f.chain_id and block_number = f.block_number and log_index < f.log_index
        and block_hash = f.block_hash and block_time = f.block_time
      group by transaction_index, contract_address, topics, data
    ) e
  ),
  logs as (
    select i.*,
      to_timestamp(i.block_timestamp) as block_time,
      substr(encode(sha256(convert_to(
        i.contract_address || ',' || array_to_string(i.topics, ',') || ',' || i.data, 'utf8')), 'hex'), 1, 16) as content_hash
    from inserted i
  )
  insert into events (
    id, chain_id, block_number, block_hash, block_time, transaction_hash, transaction_index, log_index,
    contract_address, registry, event_type, occurrence, agent_id,
    owner, previous_owner, token_uri, updated_by, metadata_key, metadata_value,
    client_address, feedback_index, value, value_decimals, score, tag1, tag2, endpoint, file_uri, file_hash, responder,
    validator_address, request_uri, request_hash, response, response_uri, response_hash, tag,
    args, topics, data
  )
  select
    l.id, l.chain_id, l.block_number, l.block_hash, l.block_time, l.transaction_hash, l.transaction_index, l.log_index,
    l.contract_address, l.registry, l.event_type,
    l.chain_id || '-' || l.transaction_hash || '-' || l.content_hash || '-' || (
      coalesce(e.logs, 0) - 1 + row_number() over (
        partition by l.chain_id, l.block_number, l.transaction_index, l.block_hash, l.content_hash order by l.log_index)),
    l.agent_id,
    l.owner, l.previous_owner, l.token_uri, l.updated_by, l.metadata_key, l.metadata_value,
    l.client_address, l.feedback_index, l.value, l.value_decimals, l.score, l.tag1, l.tag2, l.endpoint, l.file_uri, l.file_hash,
    l.responder,
    l.validator_address, l.request_uri, l.request_hash, l.response, l.response_uri, l.response_hash, l.tag,
    l.args, l.topics, l.data
  from logs l
  left join earlier e
    -- What is compared row by row is what can be equal: as a condition to join by, the wide columns would be hashed for every row.
    on (e.chain_id, e.block_number, e.transaction_index) = (l.chain_id, l.block_number, l.transaction_index)
    and (e.block_hash, e.contract_address, e.topics, e.data)
      is not distinct from (l.block_hash, l.contract_address, l.topics, l.data)
  order by l.chain_id, l.block_number, l.log_index
  on conflict do nothing;
  get diagnostics added = row_count;
  select count(*) into arrived from inserted;

  if added < arrived then
    insert into event_status (event_id, chain_id, block_number, block_time, status, reason)
    select i.id, i.chain_id, i.block_number, to_timestamp(i.block_timestamp), 'reinstated',
      'its block is on the canonical chain again'
    from inserted i
    cross join lateral (
      select status from event_status where event_id = i.id order by id desc limit 1
    ) newest
    where newest.status = 'retracted'
    order by i.chain_id, i.block_number, i.log_index;
  end if;
  return null;
end $function$;

-- function keep_newest_event_status()
CREATE OR REPLACE FUNCTION public.keep_newest_event_status()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function keep_stream(integer,integer)
CREATE OR REPLACE FUNCTION public.keep_stream(keep_days integer, changes_max integer)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function mark_action_metrics_dirty()
CREATE OR REPLACE FUNCTION public.mark_action_metrics_dirty()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function migrate_telegram_chat(text,text)
CREATE OR REPLACE FUNCTION public.migrate_telegram_chat(from_chat text, to_chat text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from telegram_chats o
  where o.chat_id = from_chat
    and exists (select from telegram_chats n where n.chat_id = to_chat and n.user_id = o.user_id);
  update telegram_chats set chat_id = to_chat, kind = 'supergroup' where chat_id = from_chat;
  update trigger_actions set config = jsonb_set(config, '{chat_id}', to_jsonb(to_chat))
  where action_type = 'telegram' and config ->> 'chat_id' = from_chat;
end $function$;

-- function note_audited_trigger(text,text,jsonb)
CREATE OR REPLACE FUNCTION public.note_audited_trigger(changed text, of_user text, was jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  perform set_config('app.audit_noted', changed, true);
  insert into audit_pending (transaction, trigger_id, user_id, before)
  values (pg_current_xact_id(), changed, of_user, was)
  on conflict do nothing;
end $function$;

-- function note_key_change()
CREATE OR REPLACE FUNCTION public.note_key_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_notify('key_changes', '');
  return null;
end $function$;

-- function note_secret_change()
CREATE OR REPLACE FUNCTION public.note_secret_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  update destinations
  set secrets_revision = secrets_revision + 1
  where id = case tg_op when 'DELETE' then old.destination_id else new.destination_id end;
  return null;
end $function$;

-- function note_trigger_change()
CREATE OR REPLACE FUNCTION public.note_trigger_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function ponder_checkpoint_block(text)
CREATE OR REPLACE FUNCTION public.ponder_checkpoint_block(checkpoint text)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE STRICT
AS $function$
  select substr(checkpoint, 27, 16)::bigint - case when substr(checkpoint, 43, 16) = repeat('9', 16) then 0 else 1 end
$function$;

-- function ponder_read_blocks(text)
CREATE OR REPLACE FUNCTION public.ponder_read_blocks(schema_name text)
 RETURNS TABLE(chain_id bigint, block_number bigint)
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  if to_regclass(format('%I._ponder_checkpoint', schema_name)) is null then
    return;
  end if;
  return query execute format(
    'select c.chain_id::bigint, ponder_checkpoint_block(c.latest_checkpoint) from %I._ponder_checkpoint c', schema_name);
end $function$;

-- function prepare_ponder_start(text)
CREATE OR REPLACE FUNCTION public.prepare_ponder_start(schema_name text)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
begin
  if to_regclass(format('%I._ponder_checkpoint', schema_name)) is null
    or to_regclass(format('%I.registry_event', schema_name)) is null then
    return 'new';
  end if;
  if exists (select from pg_stat_activity
             where datname = current_database()
               and application_name in (schema_name || '_internal', schema_name || '_user')) then
    return 'in use';
  end if;
  if not ingest_attached(schema_name) then
    execute format('drop schema %I cascade', schema_name);
    return 'rebuilt';
  end if;
  perform attach_ingest(schema_name);

  -- A killed Ponder leaves its lock behind, and the next one would wait up to 25 seconds for it.
  execute format($unlock$
    update %I._ponder_meta set value = jsonb_set(value, '{is_locked}', '0')
  $unlock$, schema_name);

  -- Ponder 0.16 can count the last block of a backfill as done before its rows are written, and a kill at that moment loses
  -- them. Back to the last block that has rows: all blocks up to it are complete.
  execute format($rewind$
    update %1$I._ponder_checkpoint c
    set safe_checkpoint = least(c.safe_checkpoint, coalesce(
      (select lpad(r.block_timestamp::text, 10, '0') || lpad(r.chain_id::text, 16, '0')
          || lpad(r.block_number::text, 16, '0') || repeat('9', 33)
       from %1$I.registry_event r
       where r.chain_id = c.chain_id and r.block_number <= substr(c.safe_checkpoint, 27, 16)::bigint
       order by r.block_number desc
       limit 1),
      repeat('0', 10) || lpad(c.chain_id::text, 16, '0') || repeat('0', 49)))
  $rewind$, schema_name);
  return 'resumed';
end $function$;

-- function refresh_action_metrics()
CREATE OR REPLACE FUNCTION public.refresh_action_metrics()
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function refuse_audit_change()
CREATE OR REPLACE FUNCTION public.refuse_audit_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  callers text;
begin
  get diagnostics callers = pg_context;
  if tg_op = 'DELETE' and callers ~ '\mforget_audit\(integer,integer\)' then
    return null;
  end if;
  raise exception 'audit_log is append-only: % is refused', lower(tg_op)
    using errcode = 'insufficient_privilege', hint = 'Old rows go by TOCSIN_AUDIT_RETENTION_DAYS.';
end $function$;

-- function reopen_telegram_chat(text)
CREATE OR REPLACE FUNCTION public.reopen_telegram_chat(chat text)
 RETURNS void
 LANGUAGE sql
AS $function$
  with reopened as (
    update destinations d
    set disabled_at = null, disabled_reason = null, breaker = 'closed', failures = 0, times_opened = 0, opened_at = null, probe_at = null
    from telegram_chats c
    where c.chat_id = chat and d.user_id = c.user_id and d.action_type = 'telegram' and d.address = chat
      and (d.disabled_at is not null or d.breaker <> 'closed' or d.failures > 0)
    returning d.id
  )
  update alerts a set resolved_at = now() from reopened r where a.destination_id = r.id and a.resolved_at is null;
$function$;

-- function set_destination()
CREATE OR REPLACE FUNCTION public.set_destination()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  found_address constant text := destination_address(new.action_type, new.config);
begin
  if tg_op = 'UPDATE' and found_address is not distinct from destination_address(old.action_type, old.config) then
    return new;
  end if;
  new.destination_id := null;
  if found_address is not null then
    insert into destinations (user_id, action_type, address)
    select t.user_id, new.action_type, found_address from triggers t where t.id = new.trigger_id
    on conflict (user_id, action_type, address) do update set address = excluded.address
    returning id into new.destination_id;
  end if;
  if tg_op = 'UPDATE' and new.destination_id is not null then
    update deliveries set destination_id = new.destination_id where action_id = new.id and state = 'pending';
  end if;
  return new;
end $function$;

-- function set_updated_at()
CREATE OR REPLACE FUNCTION public.set_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.updated_at := now();
  return new;
end $function$;

-- function stream_deliveries()
CREATE OR REPLACE FUNCTION public.stream_deliveries()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  insert into stream_changes (kind, change, user_id, chain_id, delivery_ids, size)
  select 'delivery', 'created', coalesce(t.user_id, x.user_id), a.chain_id, array_agg(a.id), count(*)
  from arrived a
  left join triggers t on t.id = a.trigger_id
  left join destinations x on x.id = a.destination_id and a.trigger_id is null
  where coalesce(t.user_id, x.user_id) is not null
  group by 3, 4;
  return null;
end $function$;

-- function stream_delivery_state()
CREATE OR REPLACE FUNCTION public.stream_delivery_state()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function stream_event()
CREATE OR REPLACE FUNCTION public.stream_event()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  insert into stream_changes (kind, change, chain_id, ids, first_block_time, last_block_time, size)
  values ('event', 'arrived', new.chain_id, int8multirange(int8range(new.seq, new.seq, '[]')), new.block_time, new.block_time, 1);
  return null;
end $function$;

-- function stream_event_status()
CREATE OR REPLACE FUNCTION public.stream_event_status()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  insert into stream_changes (kind, change, chain_id, ids, first_block_time, last_block_time, size)
  select 'event', status, chain_id, range_agg(int8range(id, id, '[]')), min(block_time), max(block_time), count(*)
  from arrived
  group by chain_id, status
  order by min(id);
  return null;
end $function$;

-- function stream_events()
CREATE OR REPLACE FUNCTION public.stream_events()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  insert into stream_changes (kind, change, chain_id, ids, first_block_time, last_block_time, size)
  select 'event', 'arrived', chain_id, range_agg(int8range(seq, seq, '[]')), min(block_time), max(block_time), count(*)
  from arrived
  group by chain_id
  order by min(seq);
  return null;
end $function$;

-- function stream_match_status()
CREATE OR REPLACE FUNCTION public.stream_match_status()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  insert into stream_changes (kind, change, user_id, chain_id, ids, size)
  select 'match', case new.status when 'retracted' then 'retracted' else 'reinstated' end, t.user_id, new.chain_id,
    int8multirange(int8range(new.id, new.id, '[]')), 1
  from triggers t
  where t.id = new.trigger_id;
  return null;
end $function$;

-- function stream_matches()
CREATE OR REPLACE FUNCTION public.stream_matches()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  insert into stream_changes (kind, change, user_id, chain_id, ids, size)
  select 'match', 'created', t.user_id, a.chain_id, range_agg(int8range(a.id, a.id, '[]')), count(*)
  from arrived a
  join triggers t on t.id = a.trigger_id
  group by t.user_id, a.chain_id
  order by min(a.id);
  return null;
end $function$;

-- function take_telegram_slot(text,text,uuid,integer,timestamp with time zone)
CREATE OR REPLACE FUNCTION public.take_telegram_slot(bot text, chat text, delivery uuid, wait_max_ms integer, moment timestamp with time zone DEFAULT NULL::timestamp with time zone, OUT taken boolean, OUT wait_ms integer)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  -- 30 messages 34 ms apart: the 31st comes 20 ms after the second is over.
  bot_gap    constant interval := '34 milliseconds';
  chat_gap   constant interval := '1 second';
  -- 4 at once and 16 in the minute after: 20 in any minute.
  group_gap  constant interval := '3.75 seconds';
  group_tolerance constant interval := '11.25 seconds';
  -- Turns are a little further apart than slots: what comes a little late does not push the next one out of its turn.
  lateness   constant interval := '30 milliseconds';
  is_group   constant boolean := chat like '-%';
  wait_max   constant interval := wait_max_ms * interval '1 millisecond';
  of_chat    telegram_limits;
  of_bot     telegram_limits;
  own        telegram_progress;
  others     boolean;
  chat_free  timestamptz;
  bot_free   timestamptz;
  bot_turn   timestamptz;
  turn       timestamptz;
begin
  insert into telegram_limits (bot_id, chat_id) values (bot, chat), (bot, '') on conflict do nothing;
  -- Always in this order: the chat, then the bot.
  select * into of_chat from telegram_limits l where l.bot_id = bot and l.chat_id = chat for update;
  select * into of_bot from telegram_limits l where l.bot_id = bot and l.chat_id = '' for update;
  moment := coalesce(moment, clock_timestamp());

  select * into own from telegram_progress p where p.delivery_id = delivery;
  others := exists (
    select from telegram_progress p
    join deliveries d on d.id = p.delivery_id
    where p.bot_id = bot and p.chat_id = chat and p.turn_at > moment and p.delivery_id is distinct from delivery
      and d.state in ('pending', 'enqueued', 'running')
  );
  chat_free := greatest(
    of_chat.next_at, of_chat.blocked_until, case when is_group then of_chat.next_group_at - group_tolerance end, moment
  );
  bot_free := greatest(of_bot.next_at, of_bot.blocked_until, moment);

  if chat_free <= moment and bot_free <= moment + wait_max
    and (delivery is null or own.turn_at <= moment or own.parts_sent > 0 or not others)
  then
    update telegram_limits l
    set next_at = bot_free + chat_gap,
      next_group_at = case when is_group then greatest(l.next_group_at, bot_free) + group_gap else l.next_group_at end
    where l.bot_id = bot and l.chat_id = chat;
    update telegram_limits l set next_at = bot_free + bot_gap where l.bot_id = bot and l.chat_id = '';
    if own.turn_at is not null then
      update telegram_progress p set turn_at = null where p.delivery_id = delivery;
    end if;
    taken := true;
    wait_ms := ceil(extract(epoch from bot_free - moment) * 1000);
    return;
  end if;

  taken := false;
  if own.turn_at > moment then
    turn := greatest(own.turn_at, chat_free);
  elsif delivery is null or own.parts_sent > 0
    or (own.turn_at is not null and greatest(chat_free, bot_free) <= moment + wait_max)
  then
    -- A message that has begun goes on as soon as it can; and nobody goes back to the end of the queue for a moment.
    turn := greatest(chat_free, bot_free);
  else
    if not others then
      of_chat.turn_at := of_chat.next_at;
      of_chat.turn_group_at := of_chat.next_group_at;
    end if;
    of_chat.turn_at := greatest(of_chat.turn_at, chat_free);
    of_chat.turn_group_at := greatest(of_chat.turn_group_at, of_chat.next_group_at, moment);
    turn := greatest(of_chat.turn_at, case when is_group then of_chat.turn_group_at - group_tolerance end);
    if bot_free > moment + wait_max then
      bot_turn := greatest(of_bot.turn_at, bot_free);
      if bot_turn >= turn then
        turn := bot_turn;
        update telegram_limits l set turn_at = bot_turn + bot_gap + lateness / 10 where l.bot_id = bot and l.chat_id = '';
      end if;
    end if;
    update telegram_limits l
    set turn_at = turn + chat_gap + lateness,
      turn_group_at = greatest(of_chat.turn_group_at, turn) + group_gap + lateness
    where l.bot_id = bot and l.chat_id = chat;
  end if;
  if delivery is not null then
    insert into telegram_progress (delivery_id, bot_id, chat_id, turn_at) values (delivery, bot, chat, turn)
    on conflict (delivery_id) do update set bot_id = excluded.bot_id, chat_id = excluded.chat_id, turn_at = excluded.turn_at;
  end if;
  wait_ms := greatest(1, ceil(extract(epoch from turn - moment) * 1000));
end $function$;

-- function timescaledb_ready()
CREATE OR REPLACE FUNCTION public.timescaledb_ready()
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
begin
  if exists (select from pg_extension where extname = 'timescaledb') then
    return true;
  end if;
  if not exists (select from pg_available_extensions where name = 'timescaledb')
    or (current_setting('timescaledb.disable_load', true) is null
        and not exists (select from pg_settings
                        where name = 'shared_preload_libraries' and setting like '%timescaledb%')) then
    return false;
  end if;
  create extension timescaledb;
  return true;
exception when insufficient_privilege or undefined_file or feature_not_supported then
  raise notice 'timescaledb is available but could not be created (%): events are kept in native partitions', sqlerrm;
  return false;
end $function$;

-- function url_address(text)
CREATE OR REPLACE FUNCTION public.url_address(url text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select lower(part[1]) || '://'
    || regexp_replace(lower(part[2]), case lower(part[1]) when 'http' then ':80$' else ':443$' end, '')
    || case when part[3] = '' then '/' else part[3] end
  from regexp_match(url, '^\s*(https?):[/\\]*([^/\\?#\s]+)([^?#]*)', 'i') as part
$function$;

-- function waits(jsonb,bigint,bigint,bigint)
CREATE OR REPLACE FUNCTION public.waits(finality jsonb, block_number bigint, head bigint, finalized bigint, OUT waits_on text, OUT waits_for bigint)
 RETURNS record
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select
    case when wanted.number > wanted.reached then wanted.what end,
    case when wanted.number > wanted.reached then wanted.number end
  from (
    select
      case when finality = '"finalized"' then 'finalized' else 'head' end as what,
      block_number + coalesce((finality ->> 'confirmations')::bigint, 0) as number,
      case when finality = '"finalized"' then finalized else head end as reached
  ) wanted
$function$;

-- function write_audit(text,text,text,text,jsonb,jsonb)
CREATE OR REPLACE FUNCTION public.write_audit(of_user text, done text, of_kind text, of_id text, was jsonb, is_now jsonb)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- function write_audited_trigger()
CREATE OR REPLACE FUNCTION public.write_audited_trigger()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
end $function$;

-- index action_results_event
CREATE INDEX action_results_event ON public.action_results USING btree (event_id);

-- index action_results_executed
CREATE INDEX action_results_executed ON public.action_results USING btree (executed_at DESC);

-- index action_results_trigger
CREATE INDEX action_results_trigger ON public.action_results USING btree (trigger_id, executed_at DESC);

-- index alerts_chain
CREATE INDEX alerts_chain ON public.alerts USING btree (created_at DESC, id DESC) WHERE (user_id IS NULL);

-- index alerts_destination
CREATE INDEX alerts_destination ON public.alerts USING btree (destination_id) WHERE (resolved_at IS NULL);

-- index alerts_open
CREATE INDEX alerts_open ON public.alerts USING btree (kind) WHERE (resolved_at IS NULL);

-- index alerts_open_chain
CREATE UNIQUE INDEX alerts_open_chain ON public.alerts USING btree (chain_id, kind) WHERE ((user_id IS NULL) AND (resolved_at IS NULL));

-- index alerts_user
CREATE INDEX alerts_user ON public.alerts USING btree (user_id, created_at DESC, id DESC);

-- index api_keys_user
CREATE INDEX api_keys_user ON public.api_keys USING btree (user_id, created_at DESC, id DESC);

-- index audit_log_user
CREATE INDEX audit_log_user ON public.audit_log USING btree (user_id, id DESC);

-- index deliveries_action
CREATE INDEX deliveries_action ON public.deliveries USING btree (action_id);

-- index deliveries_batch
CREATE INDEX deliveries_batch ON public.deliveries USING btree (batch_id) WHERE ((batch_id IS NOT NULL) AND (state = ANY (ARRAY['pending'::text, 'enqueued'::text, 'running'::text])));

-- index deliveries_created
CREATE INDEX deliveries_created ON public.deliveries USING btree (created_at, id);

-- index deliveries_due
CREATE INDEX deliveries_due ON public.deliveries USING btree (destination_id, due_at) WHERE (state = 'pending'::text);

-- index deliveries_enqueued
CREATE INDEX deliveries_enqueued ON public.deliveries USING btree (enqueued_at) WHERE (state = 'enqueued'::text);

-- index deliveries_finished
CREATE INDEX deliveries_finished ON public.deliveries USING btree (finished_at) WHERE (finished_at IS NOT NULL);

-- index deliveries_in_flight
CREATE INDEX deliveries_in_flight ON public.deliveries USING btree (destination_id) WHERE (state = ANY (ARRAY['enqueued'::text, 'running'::text]));

-- index deliveries_match
CREATE INDEX deliveries_match ON public.deliveries USING btree (match_id);

-- index deliveries_original
CREATE INDEX deliveries_original ON public.deliveries USING btree (original_id) WHERE (original_id IS NOT NULL);

-- index deliveries_running
CREATE INDEX deliveries_running ON public.deliveries USING btree (lease_until) WHERE (state = 'running'::text);

-- index deliveries_state
CREATE INDEX deliveries_state ON public.deliveries USING btree (state, created_at, id);

-- index deliveries_waiting
CREATE INDEX deliveries_waiting ON public.deliveries USING btree (chain_id, waits_on, waits_for) WHERE (waits_on IS NOT NULL);

-- index destination_secrets_destination
CREATE INDEX destination_secrets_destination ON public.destination_secrets USING btree (destination_id);

-- index destination_secrets_newest
CREATE UNIQUE INDEX destination_secrets_newest ON public.destination_secrets USING btree (destination_id) WHERE (expires_at IS NULL);

-- index event_counts_folded
CREATE UNIQUE INDEX event_counts_folded ON public.event_counts USING btree (hour, chain_id, registry, event_type) WHERE folded;

-- index event_counts_hour
CREATE INDEX event_counts_hour ON public.event_counts USING btree (hour);

-- index event_counts_unfolded
CREATE INDEX event_counts_unfolded ON public.event_counts USING btree (hour) WHERE (NOT folded);

-- index event_files_fetched_at
CREATE INDEX event_files_fetched_at ON public.event_files USING btree (fetched_at) WHERE (fetched_at IS NOT NULL);

-- index event_files_leased
CREATE INDEX event_files_leased ON public.event_files USING btree (lease_until) WHERE ((status = 'waiting'::text) AND (lease_until IS NOT NULL));

-- index event_files_waiting
CREATE INDEX event_files_waiting ON public.event_files USING btree (host, due_at) WHERE (status = 'waiting'::text);

-- index event_status_chain
CREATE INDEX event_status_chain ON public.event_status USING btree (chain_id, id);

-- index event_status_event
CREATE INDEX event_status_event ON public.event_status USING btree (event_id, id);

-- index events_agent
CREATE INDEX events_agent ON public.events USING btree (chain_id, agent_id, block_time) WHERE (agent_id IS NOT NULL);

-- index events_agent_uri
CREATE INDEX events_agent_uri ON public.events USING btree (chain_id, agent_id, block_number DESC, log_index DESC) WHERE (event_type = ANY (ARRAY['Registered'::text, 'URIUpdated'::text]));

-- index events_chain_position
CREATE INDEX events_chain_position ON public.events USING btree (chain_id, block_number, log_index);

-- index events_chain_seq
CREATE INDEX events_chain_seq ON public.events USING btree (chain_id, seq);

-- index events_chain_time
CREATE INDEX events_chain_time ON public.events USING btree (chain_id, block_time, score);

-- index events_chain_type
CREATE INDEX events_chain_type ON public.events USING btree (chain_id, event_type, block_time);

-- index events_client
CREATE INDEX events_client ON public.events USING btree (chain_id, client_address, block_time) WHERE (client_address IS NOT NULL);

-- index events_owner
CREATE INDEX events_owner ON public.events USING btree (chain_id, owner, block_time) WHERE (owner IS NOT NULL);

-- index events_tag
CREATE INDEX events_tag ON public.events USING btree (chain_id, "left"(COALESCE(tag1, tag), 64), block_time) WHERE ("left"(COALESCE(tag1, tag), 64) <> ''::text);

-- index events_tag2
CREATE INDEX events_tag2 ON public.events USING btree (chain_id, "left"(tag2, 64), block_time) WHERE ("left"(tag2, 64) <> ''::text);

-- index events_transaction
CREATE INDEX events_transaction ON public.events USING btree (transaction_hash);

-- index events_validator
CREATE INDEX events_validator ON public.events USING btree (chain_id, validator_address, block_time) WHERE (validator_address IS NOT NULL);

-- index idempotency_keys_created
CREATE INDEX idempotency_keys_created ON public.idempotency_keys USING btree (created_at);

-- index login_failures_updated
CREATE INDEX login_failures_updated ON public.login_failures USING btree (updated_at);

-- index matches_block
CREATE INDEX matches_block ON public.matches USING btree (chain_id, block_number);

-- index matches_event
CREATE INDEX matches_event ON public.matches USING btree (event_id);

-- index matches_in_question
CREATE INDEX matches_in_question ON public.matches USING btree (chain_id, block_number) WHERE in_question;

-- index newest_event_status_retracted
CREATE INDEX newest_event_status_retracted ON public.newest_event_status USING btree (hour) WHERE (status = 'retracted'::text);

-- index rate_limits_expire
CREATE INDEX rate_limits_expire ON public.rate_limits USING btree (expire);

-- index refresh_tokens_expires
CREATE INDEX refresh_tokens_expires ON public.refresh_tokens USING btree (expires_at);

-- index refresh_tokens_family
CREATE INDEX refresh_tokens_family ON public.refresh_tokens USING btree (family_id);

-- index refresh_tokens_user
CREATE INDEX refresh_tokens_user ON public.refresh_tokens USING btree (user_id);

-- index sign_in_nonces_expires
CREATE INDEX sign_in_nonces_expires ON public.sign_in_nonces USING btree (expires_at);

-- index telegram_chats_chat
CREATE INDEX telegram_chats_chat ON public.telegram_chats USING btree (chat_id);

-- index telegram_link_codes_user
CREATE INDEX telegram_link_codes_user ON public.telegram_link_codes USING btree (user_id);

-- index telegram_progress_turn
CREATE INDEX telegram_progress_turn ON public.telegram_progress USING btree (bot_id, chat_id, turn_at) WHERE (turn_at IS NOT NULL);

-- index trigger_actions_destination
CREATE INDEX trigger_actions_destination ON public.trigger_actions USING btree (destination);

-- index trigger_actions_destination_id
CREATE INDEX trigger_actions_destination_id ON public.trigger_actions USING btree (destination_id);

-- index trigger_changes_revision
CREATE INDEX trigger_changes_revision ON public.trigger_changes USING btree (chain_id, revision);

-- index trigger_progress_behind
CREATE INDEX trigger_progress_behind ON public.trigger_progress USING btree (chain_id) WHERE (block_number IS NOT NULL);

-- index trigger_state_wake
CREATE INDEX trigger_state_wake ON public.trigger_state USING btree (chain_id, wake_at) WHERE (wake_at IS NOT NULL);

-- index triggers_enabled
CREATE INDEX triggers_enabled ON public.triggers USING btree (chain_id, registry) WHERE enabled;

-- index triggers_user
CREATE INDEX triggers_user ON public.triggers USING btree (user_id);

-- index unknown_logs_contract
CREATE INDEX unknown_logs_contract ON public.unknown_logs USING btree (chain_id, contract_address, block_number);

-- index user_wallets_user
CREATE INDEX user_wallets_user ON public.user_wallets USING btree (user_id);

-- index users_created
CREATE INDEX users_created ON public.users USING btree (created_at DESC, id DESC);

-- table action_metrics_dirty
create table action_metrics_dirty (
  hour timestamp with time zone not null
);

-- table action_metrics_hourly
create table action_metrics_hourly (
  hour timestamp with time zone not null,
  action_type text not null,
  total_executions bigint not null,
  success_count bigint not null,
  failure_count bigint not null,
  avg_duration_ms numeric not null,
  p95_duration_ms double precision not null,
  constraint action_metrics_hourly_pkey PRIMARY KEY (hour, action_type)
);

-- table action_results
create table action_results (
  id text not null default (gen_random_uuid())::text,
  delivery_id uuid not null,
  job_id text not null,
  trigger_id text,
  event_id text not null,
  action_type text not null,
  status text not null,
  executed_at timestamp with time zone not null,
  duration_ms integer not null,
  error_message text,
  response_data jsonb,
  retry_count integer not null,
  constraint action_results_action_type_check CHECK ((action_type = ANY (ARRAY['telegram'::text, 'rest'::text, 'mcp'::text]))),
  constraint action_results_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES deliveries(id) ON DELETE CASCADE,
  constraint action_results_delivery_id_retry_count_key UNIQUE (delivery_id, retry_count),
  constraint action_results_pkey PRIMARY KEY (id),
  constraint action_results_status_check CHECK ((status = ANY (ARRAY['success'::text, 'failed'::text, 'retrying'::text]))),
  constraint action_results_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE SET NULL
);

-- table agent_mcp_tokens
create table agent_mcp_tokens (
  user_id text not null,
  chain_id bigint not null,
  agent_id numeric(78,0) not null,
  endpoint text not null,
  token text not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint agent_mcp_tokens_agent_id_check CHECK ((agent_id >= (0)::numeric)),
  constraint agent_mcp_tokens_pkey PRIMARY KEY (user_id, chain_id, agent_id),
  constraint agent_mcp_tokens_token_check CHECK ((token ~~ 'sealed:%'::text)),
  constraint agent_mcp_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table alerts
create table alerts (
  id bigint not null generated always as identity,
  user_id text,
  kind text not null,
  destination_id bigint,
  message text not null,
  created_at timestamp with time zone not null default now(),
  resolved_at timestamp with time zone,
  chain_id bigint,
  detail jsonb,
  constraint alerts_concern CHECK (((user_id IS NOT NULL) OR (chain_id IS NOT NULL))),
  constraint alerts_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id) ON DELETE CASCADE,
  constraint alerts_pkey PRIMARY KEY (id),
  constraint alerts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table api_keys
create table api_keys (
  id uuid not null default gen_random_uuid(),
  user_id text not null,
  name text not null,
  prefix text not null,
  key_hash bytea not null,
  scopes text[] not null,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  last_used_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  constraint api_keys_key_hash_key UNIQUE (key_hash),
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table audit_log
create table audit_log (
  id bigint not null generated always as identity,
  at timestamp with time zone not null default now(),
  user_id text,
  actor_kind text not null,
  actor_user_id text,
  actor_key_id uuid,
  actor_name text,
  action text not null,
  target_kind text not null,
  target_id text,
  before jsonb,
  after jsonb,
  address inet,
  request_id text,
  reason text,
  constraint audit_log_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['operator'::text, 'session'::text, 'key'::text, 'anonymous'::text, 'process'::text]))),
  constraint audit_log_pkey PRIMARY KEY (id)
);

-- table audit_pending
create table audit_pending (
  transaction xid8 not null,
  trigger_id text not null,
  user_id text not null,
  before jsonb,
  constraint audit_pending_pkey PRIMARY KEY (transaction, trigger_id)
);

-- table chain_heads
create table chain_heads (
  chain_id bigint not null,
  start_block bigint not null,
  head_block bigint,
  head_hash text,
  head_time timestamp with time zone,
  answered_at timestamp with time zone,
  read_block bigint,
  blocks_per_second double precision,
  waiting_since timestamp with time zone,
  looked_at timestamp with time zone not null default now(),
  constraint chain_heads_pkey PRIMARY KEY (chain_id)
);

-- table checkpoints
create table checkpoints (
  chain_id bigint not null,
  last_block_number bigint not null,
  last_block_hash text,
  finalized_block_number bigint not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  last_block_time timestamp with time zone,
  constraint checkpoints_pkey PRIMARY KEY (chain_id)
);

-- table deliveries
create table deliveries (
  id uuid not null default gen_random_uuid(),
  match_id bigint,
  trigger_id text,
  action_id bigint,
  occurrence text not null,
  event_id text not null,
  block_time timestamp with time zone not null,
  action_type text not null,
  priority integer not null,
  state text not null default 'pending'::text,
  attempts integer not null default 0,
  due_at timestamp with time zone default now(),
  enqueued_at timestamp with time zone,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  worker_id text,
  lease_until timestamp with time zone,
  error_message text,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  attempts_before integer not null default 0,
  destination_id bigint,
  enqueues integer not null default 0,
  kind text not null default 'match'::text,
  payload jsonb,
  batch_id uuid,
  chain_id bigint,
  waits_on text,
  waits_for bigint,
  retracted boolean not null default false,
  original_id uuid,
  constraint deliveries_action_id_fkey FOREIGN KEY (action_id) REFERENCES trigger_actions(id) ON DELETE SET NULL,
  constraint deliveries_action_type_check CHECK ((action_type = ANY (ARRAY['telegram'::text, 'rest'::text, 'mcp'::text]))),
  constraint deliveries_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id) ON DELETE SET NULL,
  constraint deliveries_kind_check CHECK ((kind = ANY (ARRAY['match'::text, 'test'::text, 'alert'::text, 'retraction'::text, 'reinstatement'::text]))),
  constraint deliveries_match_id_fkey FOREIGN KEY (match_id) REFERENCES matches(id),
  constraint deliveries_original_id_fkey FOREIGN KEY (original_id) REFERENCES deliveries(id) ON DELETE CASCADE,
  constraint deliveries_pkey PRIMARY KEY (id),
  constraint deliveries_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'enqueued'::text, 'running'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text, 'unknown'::text]))),
  constraint deliveries_trigger_id_action_id_occurrence_key UNIQUE (trigger_id, action_id, occurrence),
  constraint deliveries_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE SET NULL,
  constraint deliveries_waits_on_check CHECK ((waits_on = ANY (ARRAY['head'::text, 'finalized'::text])))
);

-- table destination_secrets
create table destination_secrets (
  id bigint not null generated always as identity,
  destination_id bigint not null,
  secret text not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  constraint destination_secrets_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id) ON DELETE CASCADE,
  constraint destination_secrets_pkey PRIMARY KEY (id),
  constraint destination_secrets_secret_check CHECK ((secret ~~ 'sealed:%'::text))
);

-- table destinations
create table destinations (
  id bigint not null generated always as identity,
  user_id text not null,
  action_type text not null,
  address text not null,
  in_flight_max integer not null default 20,
  per_second_max numeric,
  next_at timestamp with time zone not null default '-infinity'::timestamp with time zone,
  breaker text not null default 'closed'::text,
  failures integer not null default 0,
  times_opened integer not null default 0,
  opened_at timestamp with time zone,
  probe_at timestamp with time zone,
  last_error text,
  disabled_at timestamp with time zone,
  disabled_reason text,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  secrets_revision integer not null default 0,
  constraint destinations_action_type_check CHECK ((action_type = ANY (ARRAY['telegram'::text, 'rest'::text, 'mcp'::text]))),
  constraint destinations_breaker_check CHECK ((breaker = ANY (ARRAY['closed'::text, 'open'::text, 'half_open'::text]))),
  constraint destinations_in_flight_max_check CHECK (((in_flight_max >= 1) AND (in_flight_max <= 1000))),
  constraint destinations_per_second_max_check CHECK ((per_second_max > (0)::numeric)),
  constraint destinations_pkey PRIMARY KEY (id),
  constraint destinations_user_id_action_type_address_key UNIQUE (user_id, action_type, address),
  constraint destinations_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table event_counts
create table event_counts (
  hour timestamp with time zone not null,
  chain_id bigint not null,
  registry text not null,
  event_type text not null,
  event_count bigint not null,
  folded boolean not null default false
);

-- table event_files
create table event_files (
  key text not null,
  uri text not null,
  expected_hash text,
  host text not null,
  status text not null default 'waiting'::text,
  error text,
  hash_verdict text not null default 'unavailable'::text,
  content jsonb,
  size_bytes integer,
  chain_ids bigint[] not null,
  attempts integer not null default 0,
  due_at timestamp with time zone not null default now(),
  worker_id text,
  lease_until timestamp with time zone,
  requested_at timestamp with time zone not null default now(),
  fetched_at timestamp with time zone,
  constraint event_files_pkey PRIMARY KEY (key),
  constraint event_files_status_check CHECK ((status = ANY (ARRAY['waiting'::text, 'fetched'::text, 'failed'::text])))
);

-- table event_status
create table event_status (
  id bigint not null generated always as identity,
  event_id text not null,
  chain_id bigint not null,
  block_number bigint not null,
  block_time timestamp with time zone not null,
  status text not null,
  reason text not null,
  created_at timestamp with time zone not null default now(),
  constraint event_status_pkey PRIMARY KEY (id),
  constraint event_status_status_check CHECK ((status = ANY (ARRAY['retracted'::text, 'reinstated'::text])))
);

-- table events
create table events (
  id text not null,
  seq bigint not null generated always as identity,
  chain_id bigint not null,
  block_number bigint not null,
  block_hash text not null,
  block_time timestamp with time zone not null,
  transaction_hash text not null,
  transaction_index integer not null,
  log_index integer not null,
  contract_address text not null,
  registry text not null,
  event_type text not null,
  occurrence text not null,
  agent_id numeric(78,0),
  owner text,
  previous_owner text,
  token_uri text,
  updated_by text,
  metadata_key text,
  metadata_value text,
  client_address text,
  feedback_index numeric(20,0),
  value numeric(78,0),
  value_decimals smallint,
  score numeric,
  tag1 text,
  tag2 text,
  endpoint text,
  file_uri text,
  file_hash text,
  responder text,
  validator_address text,
  request_uri text,
  request_hash text,
  response smallint,
  response_uri text,
  response_hash text,
  tag text,
  args jsonb not null,
  topics text[] not null,
  data text not null,
  created_at timestamp with time zone not null default now(),
  constraint events_pkey PRIMARY KEY (id, block_time),
  constraint events_registry_check CHECK ((registry = ANY (ARRAY['identity'::text, 'reputation'::text, 'validation'::text])))
);

-- table final_blocks
create table final_blocks (
  chain_id bigint not null,
  block_number bigint not null,
  block_hash text not null,
  created_at timestamp with time zone not null default now(),
  constraint final_blocks_pkey PRIMARY KEY (chain_id, block_number)
);

-- table idempotency_keys
create table idempotency_keys (
  user_id text not null,
  key text not null,
  fingerprint bytea not null,
  status integer not null,
  headers jsonb not null,
  body text not null,
  created_at timestamp with time zone not null default now(),
  constraint idempotency_keys_body_check CHECK ((body ~~ 'sealed:%'::text)),
  constraint idempotency_keys_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255))),
  constraint idempotency_keys_pkey PRIMARY KEY (user_id, key),
  constraint idempotency_keys_status_check CHECK (((status >= 200) AND (status <= 499))),
  constraint idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table ingest_progress
create table ingest_progress (
  chain_id bigint not null,
  ponder_schema text not null,
  highest_block bigint not null,
  unchecked_from bigint,
  unchecked_to bigint,
  constraint ingest_progress_check CHECK (((unchecked_from IS NULL) = (unchecked_to IS NULL))),
  constraint ingest_progress_pkey PRIMARY KEY (chain_id)
);

-- table legacy_registries
create table legacy_registries (
  chain_id bigint not null,
  contract_address text not null,
  constraint legacy_registries_pkey PRIMARY KEY (chain_id, contract_address)
);

-- table login_failures
create table login_failures (
  name_hash bytea not null,
  failures integer not null,
  locked_until timestamp with time zone not null,
  updated_at timestamp with time zone not null default now(),
  constraint login_failures_pkey PRIMARY KEY (name_hash)
);

-- table matcher_cursors
create table matcher_cursors (
  chain_id bigint not null,
  block_number bigint not null,
  log_index integer not null,
  event_seq bigint not null,
  status_id bigint not null,
  finalized_block_number bigint not null,
  updated_at timestamp with time zone not null default now(),
  clock timestamp with time zone not null default '-infinity'::timestamp with time zone,
  step bigint not null default 0,
  constraint matcher_cursors_pkey PRIMARY KEY (chain_id)
);

-- table matches
create table matches (
  id bigint not null generated always as identity,
  trigger_id text,
  trigger_version integer not null,
  chain_id bigint not null,
  occurrence text not null,
  event_id text not null,
  block_number bigint not null,
  block_time timestamp with time zone not null,
  evidence jsonb not null,
  created_at timestamp with time zone not null default now(),
  generation integer not null default 1,
  kind text not null default 'event'::text,
  status text not null default 'standing'::text,
  in_question boolean not null default false,
  retractions integer not null default 0,
  history jsonb not null default '[]'::jsonb,
  constraint matches_kind_check CHECK ((kind = ANY (ARRAY['event'::text, 'absence'::text, 'digest'::text]))),
  constraint matches_pkey PRIMARY KEY (id),
  constraint matches_status_check CHECK ((status = ANY (ARRAY['standing'::text, 'retracted'::text]))),
  constraint matches_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE SET NULL,
  constraint matches_trigger_id_occurrence_key UNIQUE (trigger_id, occurrence)
);

-- table newest_event_status
create table newest_event_status (
  event_id text not null,
  status_id bigint not null,
  status text not null,
  chain_id bigint not null,
  block_number bigint not null,
  hour timestamp with time zone not null,
  registry text not null,
  event_type text not null,
  constraint newest_event_status_pkey PRIMARY KEY (event_id)
);

-- table rate_limits
create table rate_limits (
  key character varying(255) not null,
  points integer not null default 0,
  expire bigint,
  constraint rate_limits_pkey PRIMARY KEY (key)
);

-- table refresh_tokens
create table refresh_tokens (
  id bigint not null generated always as identity,
  family_id uuid not null,
  user_id text not null,
  token_hash bytea not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  revoked_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  constraint refresh_tokens_pkey PRIMARY KEY (id),
  constraint refresh_tokens_token_hash_key UNIQUE (token_hash),
  constraint refresh_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table sign_in_nonces
create table sign_in_nonces (
  nonce text not null,
  expires_at timestamp with time zone not null,
  constraint sign_in_nonces_pkey PRIMARY KEY (nonce)
);

-- table stream_changes
create table stream_changes (
  xact_id xid8 not null default pg_current_xact_id(),
  id bigint not null generated always as identity,
  kind text not null,
  change text not null,
  user_id text,
  chain_id bigint,
  ids int8multirange,
  first_block_time timestamp with time zone,
  last_block_time timestamp with time zone,
  delivery_ids uuid[],
  size integer not null,
  at timestamp with time zone not null default now(),
  constraint stream_changes_change_check CHECK ((change = ANY (ARRAY['arrived'::text, 'created'::text, 'retracted'::text, 'reinstated'::text, 'succeeded'::text, 'failed'::text, 'unknown'::text, 'cancelled'::text, 'reopened'::text]))),
  constraint stream_changes_kind_check CHECK ((kind = ANY (ARRAY['event'::text, 'match'::text, 'delivery'::text]))),
  constraint stream_changes_pkey PRIMARY KEY (xact_id, id)
);

-- table stream_marks
create table stream_marks (
  xact_id xid8 not null,
  at timestamp with time zone not null default clock_timestamp(),
  constraint stream_marks_pkey PRIMARY KEY (xact_id)
);

-- table telegram_bots
create table telegram_bots (
  bot_id text not null,
  username text not null,
  started_at timestamp with time zone not null default now(),
  constraint telegram_bots_pkey PRIMARY KEY (bot_id)
);

-- table telegram_chats
create table telegram_chats (
  chat_id text not null,
  user_id text not null,
  kind text not null,
  title text not null,
  linked_at timestamp with time zone not null default now(),
  unsubscribed_at timestamp with time zone,
  unsubscribed_reason text,
  muted_until timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint telegram_chats_chat_id_check CHECK ((chat_id ~ '^-?[1-9][0-9]{0,18}$'::text)),
  constraint telegram_chats_kind_check CHECK ((kind = ANY (ARRAY['private'::text, 'group'::text, 'supergroup'::text, 'channel'::text]))),
  constraint telegram_chats_pkey PRIMARY KEY (user_id, chat_id),
  constraint telegram_chats_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table telegram_limits
create table telegram_limits (
  bot_id text not null,
  chat_id text not null,
  next_at timestamp with time zone not null default '-infinity'::timestamp with time zone,
  next_group_at timestamp with time zone not null default '-infinity'::timestamp with time zone,
  turn_at timestamp with time zone not null default '-infinity'::timestamp with time zone,
  turn_group_at timestamp with time zone not null default '-infinity'::timestamp with time zone,
  blocked_until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  constraint telegram_limits_pkey PRIMARY KEY (bot_id, chat_id)
);

-- table telegram_link_codes
create table telegram_link_codes (
  code_hash bytea not null,
  user_id text not null,
  expires_at timestamp with time zone not null,
  created_at timestamp with time zone not null default now(),
  constraint telegram_link_codes_pkey PRIMARY KEY (code_hash),
  constraint telegram_link_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table telegram_progress
create table telegram_progress (
  delivery_id uuid not null,
  bot_id text not null,
  chat_id text not null,
  turn_at timestamp with time zone,
  parts jsonb,
  parts_sent integer not null default 0,
  constraint telegram_progress_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES deliveries(id) ON DELETE CASCADE,
  constraint telegram_progress_pkey PRIMARY KEY (delivery_id)
);

-- table token_keys
create table token_keys (
  kid text not null,
  public_key jsonb not null,
  private_key text not null,
  created_at timestamp with time zone not null default now(),
  constraint token_keys_pkey PRIMARY KEY (kid),
  constraint token_keys_private_key_check CHECK ((private_key ~~ 'sealed:%'::text))
);

-- table trigger_actions
create table trigger_actions (
  id bigint not null generated always as identity,
  trigger_id text not null,
  "position" integer not null,
  action_type text not null,
  priority integer not null default 1,
  config jsonb not null,
  created_at timestamp with time zone not null default now(),
  destination text generated always as ("left"(regexp_replace(regexp_replace(lower("substring"((config ->> 'url'::text), '(?i)^\s*(https?:[/\\]*[^/\\?#\s]+)'::text)), '^(http:.*):80$|^(https:.*):443$'::text, '\1\2'::text), '^https?:[/\\]*'::text, ''::text), 300)) stored,
  destination_id bigint,
  alerts boolean not null default false,
  finality jsonb,
  on_retraction text not null default 'ignore'::text,
  constraint trigger_actions_action_type_check CHECK ((action_type = ANY (ARRAY['telegram'::text, 'rest'::text, 'mcp'::text]))),
  constraint trigger_actions_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id) ON DELETE SET NULL,
  constraint trigger_actions_on_retraction_check CHECK ((on_retraction = ANY (ARRAY['ignore'::text, 'notify'::text]))),
  constraint trigger_actions_pkey PRIMARY KEY (id),
  constraint trigger_actions_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE CASCADE,
  constraint trigger_actions_trigger_id_position_key UNIQUE (trigger_id, "position") DEFERRABLE INITIALLY DEFERRED
);

-- table trigger_changes
create table trigger_changes (
  chain_id bigint not null,
  trigger_id text not null,
  revision bigint not null,
  changed_at timestamp with time zone not null default now(),
  constraint trigger_changes_pkey PRIMARY KEY (chain_id, trigger_id)
);

-- table trigger_conditions
create table trigger_conditions (
  id bigint not null generated always as identity,
  trigger_id text not null,
  "position" integer not null,
  condition_type text not null,
  field text,
  operator text,
  value jsonb,
  config jsonb not null default '{}'::jsonb,
  created_at timestamp with time zone not null default now(),
  constraint trigger_conditions_pkey PRIMARY KEY (id),
  constraint trigger_conditions_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE CASCADE,
  constraint trigger_conditions_trigger_id_position_key UNIQUE (trigger_id, "position") DEFERRABLE INITIALLY DEFERRED
);

-- table trigger_progress
create table trigger_progress (
  trigger_id text not null,
  chain_id bigint not null,
  generation integer not null,
  start_block bigint not null,
  start_log integer not null,
  start_seq bigint not null,
  block_number bigint,
  log_index integer,
  constraint trigger_progress_pkey PRIMARY KEY (trigger_id),
  constraint trigger_progress_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE CASCADE
);

-- table trigger_revisions
create table trigger_revisions (
  chain_id bigint not null,
  revision bigint not null default 1,
  updated_at timestamp with time zone not null default now(),
  constraint trigger_revisions_pkey PRIMARY KEY (chain_id)
);

-- table trigger_state
create table trigger_state (
  chain_id bigint not null,
  trigger_id text not null,
  generation integer not null,
  "position" integer not null,
  scope text not null,
  state jsonb not null,
  wake_at timestamp with time zone,
  updated_at timestamp with time zone not null default now(),
  constraint trigger_state_pkey PRIMARY KEY (trigger_id, generation, "position", scope),
  constraint trigger_state_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE CASCADE
);

-- table trigger_state_journal
create table trigger_state_journal (
  chain_id bigint not null,
  block_number bigint not null,
  trigger_id text not null,
  generation integer not null,
  "position" integer not null,
  scope text not null,
  state jsonb,
  wake_at timestamp with time zone,
  constraint trigger_state_journal_pkey PRIMARY KEY (chain_id, block_number, trigger_id, generation, "position", scope)
);

-- table triggers
create table triggers (
  id text not null default (gen_random_uuid())::text,
  user_id text not null,
  name text not null,
  description text,
  chain_id bigint not null,
  registry text not null,
  enabled boolean not null default true,
  is_stateful boolean not null default false,
  version integer not null default 1,
  active_since timestamp with time zone not null default date_trunc('second'::text, now()),
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  circuit_breaker jsonb not null default '{"failures": 5, "open_for": "1m"}'::jsonb,
  generation integer not null default 1,
  finality jsonb not null default '"latest"'::jsonb,
  from_block bigint,
  warm_up boolean not null default false,
  cooldown jsonb,
  max_fires jsonb,
  paused_at timestamp with time zone,
  paused_reason text,
  constraint triggers_from_block_check CHECK ((from_block >= 0)),
  constraint triggers_pkey PRIMARY KEY (id),
  constraint triggers_registry_check CHECK ((registry = ANY (ARRAY['identity'::text, 'reputation'::text, 'validation'::text]))),
  constraint triggers_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table undecided_events
create table undecided_events (
  id bigint not null generated always as identity,
  trigger_id text not null,
  trigger_version integer not null,
  chain_id bigint not null,
  event_id text not null,
  block_number bigint not null,
  block_time timestamp with time zone not null,
  reason text not null,
  created_at timestamp with time zone not null default now(),
  constraint undecided_events_pkey PRIMARY KEY (id),
  constraint undecided_events_trigger_id_event_id_key UNIQUE (trigger_id, event_id),
  constraint undecided_events_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE CASCADE
);

-- table unknown_log_scans
create table unknown_log_scans (
  chain_id bigint not null,
  last_block bigint not null,
  updated_at timestamp with time zone not null default now(),
  constraint unknown_log_scans_pkey PRIMARY KEY (chain_id)
);

-- table unknown_logs
create table unknown_logs (
  id text not null,
  chain_id bigint not null,
  block_number bigint not null,
  block_hash text not null,
  transaction_hash text not null,
  transaction_index integer not null,
  log_index integer not null,
  contract_address text not null,
  topics text[] not null,
  data text not null,
  created_at timestamp with time zone not null default now(),
  constraint unknown_logs_pkey PRIMARY KEY (id)
);

-- table user_wallets
create table user_wallets (
  address text not null,
  user_id text not null,
  created_at timestamp with time zone not null default now(),
  constraint user_wallets_address_check CHECK ((address ~ '^0x[0-9a-f]{40}$'::text)),
  constraint user_wallets_pkey PRIMARY KEY (address),
  constraint user_wallets_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);

-- table users
create table users (
  id text not null default (gen_random_uuid())::text,
  username text not null,
  email text,
  password_hash text,
  is_active boolean not null default true,
  last_login_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  is_admin boolean not null default false,
  constraint users_email_key UNIQUE (email),
  constraint users_pkey PRIMARY KEY (id),
  constraint users_username_key UNIQUE (username)
);

-- trigger action_results_inserted on action_results
CREATE TRIGGER action_results_inserted AFTER INSERT ON public.action_results REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION mark_action_metrics_dirty();

-- trigger action_results_updated on action_results
CREATE TRIGGER action_results_updated AFTER UPDATE ON public.action_results REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION mark_action_metrics_dirty();

-- trigger agent_mcp_tokens_audited on agent_mcp_tokens
CREATE TRIGGER agent_mcp_tokens_audited AFTER INSERT OR DELETE ON public.agent_mcp_tokens FOR EACH ROW EXECUTE FUNCTION audit_mcp_token();

-- trigger agent_mcp_tokens_change_audited on agent_mcp_tokens
CREATE TRIGGER agent_mcp_tokens_change_audited AFTER UPDATE ON public.agent_mcp_tokens FOR EACH ROW WHEN (((old.endpoint <> new.endpoint) OR ((old.token <> new.token) AND (COALESCE(current_setting('app.actor'::text, true), ''::text) <> ''::text)))) EXECUTE FUNCTION audit_mcp_token();

-- trigger agent_mcp_tokens_updated_at on agent_mcp_tokens
CREATE TRIGGER agent_mcp_tokens_updated_at BEFORE UPDATE ON public.agent_mcp_tokens FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- trigger api_keys_audited on api_keys
CREATE TRIGGER api_keys_audited AFTER INSERT OR DELETE ON public.api_keys FOR EACH ROW EXECUTE FUNCTION audit_key();

-- trigger api_keys_change_audited on api_keys
CREATE TRIGGER api_keys_change_audited AFTER UPDATE OF name, scopes, expires_at, revoked_at ON public.api_keys FOR EACH ROW WHEN (((((old.name IS DISTINCT FROM new.name) OR (old.scopes IS DISTINCT FROM new.scopes)) OR (old.expires_at IS DISTINCT FROM new.expires_at)) OR (old.revoked_at IS DISTINCT FROM new.revoked_at))) EXECUTE FUNCTION audit_key();

-- trigger api_keys_changed on api_keys
CREATE TRIGGER api_keys_changed AFTER DELETE OR UPDATE OF user_id, key_hash, scopes, expires_at, revoked_at OR TRUNCATE ON public.api_keys FOR EACH STATEMENT EXECUTE FUNCTION note_key_change();

-- trigger audit_log_append_only on audit_log
CREATE TRIGGER audit_log_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- trigger audit_pending_written on audit_pending
CREATE CONSTRAINT TRIGGER audit_pending_written AFTER INSERT ON public.audit_pending DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION write_audited_trigger();

-- trigger deliveries_state_streamed on deliveries
CREATE TRIGGER deliveries_state_streamed AFTER UPDATE ON public.deliveries FOR EACH ROW WHEN (((old.state IS DISTINCT FROM new.state) AND ((new.state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'unknown'::text, 'cancelled'::text])) OR (old.state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'unknown'::text, 'cancelled'::text]))))) EXECUTE FUNCTION stream_delivery_state();

-- trigger deliveries_streamed on deliveries
CREATE TRIGGER deliveries_streamed AFTER INSERT ON public.deliveries REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION stream_deliveries();

-- trigger deliveries_updated_at on deliveries
CREATE TRIGGER deliveries_updated_at BEFORE UPDATE ON public.deliveries FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- trigger destination_secrets_change on destination_secrets
CREATE TRIGGER destination_secrets_change AFTER INSERT OR DELETE OR UPDATE ON public.destination_secrets FOR EACH ROW EXECUTE FUNCTION note_secret_change();

-- trigger destination_secrets_deletion_audited on destination_secrets
CREATE TRIGGER destination_secrets_deletion_audited AFTER DELETE ON public.destination_secrets FOR EACH ROW WHEN ((old.expires_at IS NULL)) EXECUTE FUNCTION audit_signing_secret();

-- trigger destination_secrets_end_audited on destination_secrets
CREATE TRIGGER destination_secrets_end_audited AFTER UPDATE OF expires_at ON public.destination_secrets FOR EACH ROW WHEN (((old.expires_at IS NULL) AND (new.expires_at IS NOT NULL))) EXECUTE FUNCTION audit_signing_secret();

-- trigger destinations_audited on destinations
CREATE TRIGGER destinations_audited AFTER UPDATE ON public.destinations FOR EACH ROW WHEN (((old.in_flight_max <> new.in_flight_max) OR (old.per_second_max IS DISTINCT FROM new.per_second_max) OR ((old.disabled_at IS NULL) AND (new.disabled_at IS NOT NULL)))) EXECUTE FUNCTION audit_destination();

-- trigger destinations_updated_at on destinations
CREATE TRIGGER destinations_updated_at BEFORE UPDATE ON public.destinations FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- trigger event_status_newest on event_status
CREATE TRIGGER event_status_newest AFTER INSERT ON public.event_status REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION keep_newest_event_status();

-- trigger event_status_streamed on event_status
CREATE TRIGGER event_status_streamed AFTER INSERT ON public.event_status REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION stream_event_status();

-- trigger event_status_truncated on event_status
CREATE TRIGGER event_status_truncated AFTER TRUNCATE ON public.event_status FOR EACH STATEMENT EXECUTE FUNCTION keep_newest_event_status();

-- trigger events_streamed on events
CREATE TRIGGER events_streamed AFTER INSERT ON public.events REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION stream_events();

-- trigger matches_status_streamed on matches
CREATE TRIGGER matches_status_streamed AFTER UPDATE ON public.matches FOR EACH ROW WHEN ((old.status IS DISTINCT FROM new.status)) EXECUTE FUNCTION stream_match_status();

-- trigger matches_streamed on matches
CREATE TRIGGER matches_streamed AFTER INSERT ON public.matches REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION stream_matches();

-- trigger refresh_tokens_audited on refresh_tokens
CREATE TRIGGER refresh_tokens_audited AFTER UPDATE ON public.refresh_tokens REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION audit_sessions();

-- trigger telegram_chats_audited on telegram_chats
CREATE TRIGGER telegram_chats_audited AFTER INSERT OR DELETE ON public.telegram_chats FOR EACH ROW EXECUTE FUNCTION audit_chat();

-- trigger telegram_chats_change_audited on telegram_chats
CREATE TRIGGER telegram_chats_change_audited AFTER UPDATE ON public.telegram_chats FOR EACH ROW WHEN (((((((old.chat_id IS DISTINCT FROM new.chat_id) OR (old.kind IS DISTINCT FROM new.kind)) OR (old.title IS DISTINCT FROM new.title)) OR (old.linked_at IS DISTINCT FROM new.linked_at)) OR (old.unsubscribed_at IS DISTINCT FROM new.unsubscribed_at)) OR (old.muted_until IS DISTINCT FROM new.muted_until))) EXECUTE FUNCTION audit_chat();

-- trigger telegram_chats_updated_at on telegram_chats
CREATE TRIGGER telegram_chats_updated_at BEFORE UPDATE ON public.telegram_chats FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- trigger telegram_link_codes_audited on telegram_link_codes
CREATE TRIGGER telegram_link_codes_audited AFTER INSERT ON public.telegram_link_codes FOR EACH ROW EXECUTE FUNCTION audit_link_code();

-- trigger trigger_actions_audited on trigger_actions
CREATE TRIGGER trigger_actions_audited BEFORE INSERT OR DELETE OR UPDATE ON public.trigger_actions FOR EACH ROW EXECUTE FUNCTION audit_trigger_part();

-- trigger trigger_actions_changed on trigger_actions
CREATE TRIGGER trigger_actions_changed AFTER INSERT OR DELETE OR UPDATE ON public.trigger_actions FOR EACH ROW EXECUTE FUNCTION note_trigger_change();

-- trigger trigger_actions_destination on trigger_actions
CREATE TRIGGER trigger_actions_destination BEFORE INSERT OR UPDATE OF config, action_type ON public.trigger_actions FOR EACH ROW EXECUTE FUNCTION set_destination();

-- trigger trigger_conditions_audited on trigger_conditions
CREATE TRIGGER trigger_conditions_audited BEFORE INSERT OR DELETE OR UPDATE ON public.trigger_conditions FOR EACH ROW EXECUTE FUNCTION audit_trigger_part();

-- trigger trigger_conditions_changed on trigger_conditions
CREATE TRIGGER trigger_conditions_changed AFTER INSERT OR DELETE OR UPDATE ON public.trigger_conditions FOR EACH ROW EXECUTE FUNCTION note_trigger_change();

-- trigger triggers_audited on triggers
CREATE TRIGGER triggers_audited BEFORE INSERT OR DELETE OR UPDATE ON public.triggers FOR EACH ROW EXECUTE FUNCTION audit_trigger();

-- trigger triggers_changed on triggers
CREATE TRIGGER triggers_changed AFTER INSERT OR DELETE OR UPDATE ON public.triggers FOR EACH ROW EXECUTE FUNCTION note_trigger_change();

-- trigger triggers_updated_at on triggers
CREATE TRIGGER triggers_updated_at BEFORE UPDATE ON public.triggers FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- trigger user_wallets_audited on user_wallets
CREATE TRIGGER user_wallets_audited AFTER INSERT OR DELETE ON public.user_wallets FOR EACH ROW EXECUTE FUNCTION audit_wallet();

-- trigger users_audited on users
CREATE TRIGGER users_audited AFTER INSERT OR DELETE OR UPDATE OF username, password_hash, is_admin, is_active, last_login_at ON public.users FOR EACH ROW EXECUTE FUNCTION audit_user();

-- trigger users_changed on users
CREATE TRIGGER users_changed AFTER DELETE OR UPDATE OF is_active, is_admin OR TRUNCATE ON public.users FOR EACH STATEMENT EXECUTE FUNCTION note_key_change();

-- trigger users_updated_at on users
CREATE TRIGGER users_updated_at BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- view events_canonical
create view events_canonical (
  id text,
  seq bigint,
  chain_id bigint,
  block_number bigint,
  block_hash text,
  block_time timestamp with time zone,
  transaction_hash text,
  transaction_index integer,
  log_index integer,
  contract_address text,
  registry text,
  event_type text,
  occurrence text,
  agent_id numeric(78,0),
  owner text,
  previous_owner text,
  token_uri text,
  updated_by text,
  metadata_key text,
  metadata_value text,
  client_address text,
  feedback_index numeric(20,0),
  value numeric(78,0),
  value_decimals smallint,
  score numeric,
  tag1 text,
  tag2 text,
  endpoint text,
  file_uri text,
  file_hash text,
  responder text,
  validator_address text,
  request_uri text,
  request_hash text,
  response smallint,
  response_uri text,
  response_hash text,
  tag text,
  args jsonb,
  topics text[],
  data text,
  created_at timestamp with time zone
);
-- reads events, newest_event_status

-- view events_hourly
create view events_hourly (
  hour timestamp with time zone,
  chain_id bigint,
  registry text,
  event_type text,
  event_count bigint
);
-- reads events_hourly_all, newest_event_status
