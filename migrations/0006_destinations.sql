-- Up Migration

-- Where deliveries of a user go: one URL without its query, one Telegram chat, one agent's MCP server. What happens to one destination
-- (it hangs, it fails, it asks for fewer calls, it is gone) is kept here and concerns no other.
create table destinations (
  id             bigint      primary key generated always as identity,
  user_id        text        not null references users (id) on delete cascade,
  action_type    text        not null check (action_type in ('telegram', 'rest', 'mcp')),
  address        text        not null,
  -- Deliveries that may be enqueued or running at once, and how many may begin in a second (null: any number).
  in_flight_max  integer     not null default 20 check (in_flight_max between 1 and 1000),
  per_second_max numeric     check (per_second_max > 0),
  -- By the limit of a second: when the next delivery is due.
  next_at        timestamptz not null default '-infinity',
  -- closed: deliveries go. open: none goes until probe_at. half_open: one went to see whether it works again.
  breaker        text        not null default 'closed' check (breaker in ('closed', 'open', 'half_open')),
  failures       integer     not null default 0,
  -- How often it opened since it last worked: each time it stays open for twice as long.
  times_opened   integer     not null default 0,
  opened_at      timestamptz,
  probe_at       timestamptz,
  last_error     text,
  -- Gone for good, as the far side said itself (HTTP 410, a chat that blocked the bot). Nothing is sent until it is reset.
  disabled_at    timestamptz,
  disabled_reason text,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  unique (user_id, action_type, address)
);

create trigger destinations_updated_at before update on destinations
  for each row execute function set_updated_at();

-- A URL without query and fragment; scheme and host in lower case, no default port.
create function url_address(url text) returns text language sql immutable as $$
  select lower(part[1]) || '://'
    || regexp_replace(lower(part[2]), case lower(part[1]) when 'http' then ':80$' else ':443$' end, '')
    || case when part[3] = '' then '/' else part[3] end
  from regexp_match(url, '^\s*(https?):[/\\]*([^/\\?#\s]+)([^?#]*)', 'i') as part
$$;

-- Null where it depends on the event: the MCP server of the agent that an event is about.
create function destination_address(action_type text, config jsonb) returns text language sql immutable as $$
  select case action_type
    when 'rest' then url_address(config ->> 'url')
    when 'mcp' then url_address(config ->> 'endpoint')
    when 'telegram' then config ->> 'chat_id'
  end
$$;

-- By a trigger, so that an action has its destination whoever writes it.
create function set_destination() returns trigger language plpgsql as $$
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
end $$;

alter table trigger_actions
  add column destination_id bigint references destinations (id) on delete set null,
  -- Whether it is told when something is wrong with the trigger's other actions.
  add column alerts boolean not null default false;
create index trigger_actions_destination_id on trigger_actions (destination_id);

alter table deliveries
  add column destination_id bigint references destinations (id) on delete set null,
  -- How often it was enqueued: its jobs are told apart by it.
  add column enqueues integer not null default 0,
  -- test: asked for by the owner, with the event in payload. alert: about the trigger's other actions, with its text in payload.
  add column kind text not null default 'match' check (kind in ('match', 'test', 'alert')),
  add column payload jsonb,
  -- Deliveries of one batch share it: the id of the first one.
  add column batch_id uuid,
  alter column match_id drop not null;

create trigger trigger_actions_destination before insert or update of config, action_type on trigger_actions
  for each row execute function set_destination();

insert into destinations (user_id, action_type, address)
select distinct t.user_id, a.action_type, destination_address(a.action_type, a.config)
from trigger_actions a
join triggers t on t.id = a.trigger_id
where destination_address(a.action_type, a.config) is not null;

update trigger_actions a
set destination_id = d.id
from triggers t, destinations d
where t.id = a.trigger_id and d.user_id = t.user_id and d.action_type = a.action_type
  and d.address = destination_address(a.action_type, a.config);

update deliveries d set destination_id = a.destination_id from trigger_actions a where a.id = d.action_id;

drop index if exists deliveries_due;
create index deliveries_due on deliveries (destination_id, due_at) where state = 'pending';
create index deliveries_in_flight on deliveries (destination_id) where state in ('enqueued', 'running');
create index deliveries_batch on deliveries (batch_id) where batch_id is not null and state in ('pending', 'enqueued', 'running');

-- Something that an owner has to know: a breaker that opened, a destination that is gone.
create table alerts (
  id             bigint      primary key generated always as identity,
  user_id        text        not null references users (id) on delete cascade,
  kind           text        not null,
  destination_id bigint      references destinations (id) on delete cascade,
  message        text        not null,
  created_at     timestamptz not null default now(),
  resolved_at    timestamptz
);

create index alerts_user on alerts (user_id, created_at desc, id desc);
create index alerts_destination on alerts (destination_id) where resolved_at is null;

-- From which failure in a row on the breaker of a destination opens, and for how long at first.
alter table triggers add column circuit_breaker jsonb not null default '{"failures": 5, "open_for": "1m"}';

-- Down Migration

alter table triggers drop column circuit_breaker;
drop table alerts;
drop index if exists deliveries_batch;
drop index if exists deliveries_in_flight;
drop index if exists deliveries_due;
delete from deliveries where match_id is null;
alter table deliveries
  drop column destination_id,
  drop column enqueues,
  drop column kind,
  drop column payload,
  drop column batch_id,
  alter column match_id set not null;
create index deliveries_due on deliveries (due_at) where state = 'pending';
drop trigger trigger_actions_destination on trigger_actions;
alter table trigger_actions drop column destination_id, drop column alerts;
drop function set_destination();
drop function destination_address(text, jsonb);
drop function url_address(text);
drop table destinations;
