-- The schema that the migrations make. Generated: npm run dump-schema

-- function ensure_events_partitions(timestamp with time zone)
CREATE OR REPLACE FUNCTION public.ensure_events_partitions(until timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$;

-- function note_trigger_change()
CREATE OR REPLACE FUNCTION public.note_trigger_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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

-- index action_results_event
CREATE INDEX action_results_event ON public.action_results USING btree (event_id);

-- index action_results_executed
CREATE INDEX action_results_executed ON public.action_results USING btree (executed_at DESC);

-- index action_results_trigger
CREATE INDEX action_results_trigger ON public.action_results USING btree (trigger_id, executed_at DESC);

-- index deliveries_action
CREATE INDEX deliveries_action ON public.deliveries USING btree (action_id);

-- index deliveries_created
CREATE INDEX deliveries_created ON public.deliveries USING btree (created_at, id);

-- index deliveries_due
CREATE INDEX deliveries_due ON public.deliveries USING btree (due_at) WHERE (state = 'pending'::text);

-- index deliveries_enqueued
CREATE INDEX deliveries_enqueued ON public.deliveries USING btree (enqueued_at) WHERE (state = 'enqueued'::text);

-- index deliveries_match
CREATE INDEX deliveries_match ON public.deliveries USING btree (match_id);

-- index deliveries_running
CREATE INDEX deliveries_running ON public.deliveries USING btree (lease_until) WHERE (state = 'running'::text);

-- index event_status_chain
CREATE INDEX event_status_chain ON public.event_status USING btree (chain_id, id);

-- index event_status_event
CREATE INDEX event_status_event ON public.event_status USING btree (event_id, id);

-- index events_agent
CREATE INDEX events_agent ON public.events USING btree (chain_id, agent_id) WHERE (agent_id IS NOT NULL);

-- index events_chain_position
CREATE INDEX events_chain_position ON public.events USING btree (chain_id, block_number, log_index);

-- index events_chain_seq
CREATE INDEX events_chain_seq ON public.events USING btree (chain_id, seq);

-- index events_registry_type
CREATE INDEX events_registry_type ON public.events USING btree (registry, event_type);

-- index events_transaction
CREATE INDEX events_transaction ON public.events USING btree (transaction_hash);

-- index matches_event
CREATE INDEX matches_event ON public.matches USING btree (event_id);

-- index triggers_enabled
CREATE INDEX triggers_enabled ON public.triggers USING btree (chain_id, registry) WHERE enabled;

-- index triggers_user
CREATE INDEX triggers_user ON public.triggers USING btree (user_id);

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

-- table checkpoints
create table checkpoints (
  chain_id bigint not null,
  last_block_number bigint not null,
  last_block_hash text,
  finalized_block_number bigint not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint checkpoints_pkey PRIMARY KEY (chain_id)
);

-- table deliveries
create table deliveries (
  id uuid not null default gen_random_uuid(),
  match_id bigint not null,
  trigger_id text,
  action_id bigint,
  occurrence text not null,
  event_id text not null,
  block_time timestamp with time zone not null,
  action_type text not null,
  priority integer not null,
  state text not null default 'pending'::text,
  attempts integer not null default 0,
  due_at timestamp with time zone not null default now(),
  enqueued_at timestamp with time zone,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  worker_id text,
  lease_until timestamp with time zone,
  error_message text,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint deliveries_action_id_fkey FOREIGN KEY (action_id) REFERENCES trigger_actions(id) ON DELETE SET NULL,
  constraint deliveries_action_type_check CHECK ((action_type = ANY (ARRAY['telegram'::text, 'rest'::text, 'mcp'::text]))),
  constraint deliveries_match_id_fkey FOREIGN KEY (match_id) REFERENCES matches(id),
  constraint deliveries_pkey PRIMARY KEY (id),
  constraint deliveries_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'enqueued'::text, 'running'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text, 'unknown'::text]))),
  constraint deliveries_trigger_id_action_id_occurrence_key UNIQUE (trigger_id, action_id, occurrence),
  constraint deliveries_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE SET NULL
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

-- table matcher_cursors
create table matcher_cursors (
  chain_id bigint not null,
  block_number bigint not null,
  log_index integer not null,
  event_seq bigint not null,
  status_id bigint not null,
  updated_at timestamp with time zone not null default now(),
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
  constraint matches_pkey PRIMARY KEY (id),
  constraint matches_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE SET NULL,
  constraint matches_trigger_id_occurrence_key UNIQUE (trigger_id, occurrence)
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
  constraint trigger_actions_action_type_check CHECK ((action_type = ANY (ARRAY['telegram'::text, 'rest'::text, 'mcp'::text]))),
  constraint trigger_actions_pkey PRIMARY KEY (id),
  constraint trigger_actions_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE CASCADE,
  constraint trigger_actions_trigger_id_position_key UNIQUE (trigger_id, "position") DEFERRABLE INITIALLY DEFERRED
);

-- table trigger_conditions
create table trigger_conditions (
  id bigint not null generated always as identity,
  trigger_id text not null,
  "position" integer not null,
  condition_type text not null,
  field text not null,
  operator text not null,
  value jsonb not null,
  config jsonb not null default '{}'::jsonb,
  created_at timestamp with time zone not null default now(),
  constraint trigger_conditions_pkey PRIMARY KEY (id),
  constraint trigger_conditions_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES triggers(id) ON DELETE CASCADE,
  constraint trigger_conditions_trigger_id_position_key UNIQUE (trigger_id, "position") DEFERRABLE INITIALLY DEFERRED
);

-- table trigger_revisions
create table trigger_revisions (
  chain_id bigint not null,
  revision bigint not null default 1,
  updated_at timestamp with time zone not null default now(),
  constraint trigger_revisions_pkey PRIMARY KEY (chain_id)
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
  constraint triggers_pkey PRIMARY KEY (id),
  constraint triggers_registry_check CHECK ((registry = ANY (ARRAY['identity'::text, 'reputation'::text, 'validation'::text]))),
  constraint triggers_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
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
  constraint users_email_key UNIQUE (email),
  constraint users_pkey PRIMARY KEY (id),
  constraint users_username_key UNIQUE (username)
);

-- trigger deliveries_updated_at on deliveries
CREATE TRIGGER deliveries_updated_at BEFORE UPDATE ON public.deliveries FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- trigger trigger_actions_changed on trigger_actions
CREATE TRIGGER trigger_actions_changed AFTER INSERT OR DELETE OR UPDATE ON public.trigger_actions FOR EACH ROW EXECUTE FUNCTION note_trigger_change();

-- trigger trigger_conditions_changed on trigger_conditions
CREATE TRIGGER trigger_conditions_changed AFTER INSERT OR DELETE OR UPDATE ON public.trigger_conditions FOR EACH ROW EXECUTE FUNCTION note_trigger_change();

-- trigger triggers_changed on triggers
CREATE TRIGGER triggers_changed AFTER INSERT OR DELETE OR UPDATE ON public.triggers FOR EACH ROW EXECUTE FUNCTION note_trigger_change();

-- trigger triggers_updated_at on triggers
CREATE TRIGGER triggers_updated_at BEFORE UPDATE ON public.triggers FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- trigger users_updated_at on users
CREATE TRIGGER users_updated_at BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION set_updated_at();
