-- Up Migration

-- A subscriber: a chat that linked itself to a user. Nothing is sent to a chat for a user to whom it is not linked.
create table telegram_chats (
  chat_id      text        not null check (chat_id ~ '^-?[1-9][0-9]{0,18}$'),
  user_id      text        not null references users (id) on delete cascade,
  kind         text        not null check (kind in ('private', 'group', 'supergroup', 'channel')),
  title        text        not null,
  linked_at    timestamptz not null default now(),
  -- It wants nothing, or nothing gets there: /unsubscribe, a bot that was blocked or removed.
  unsubscribed_at     timestamptz,
  unsubscribed_reason text,
  muted_until  timestamptz,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  primary key (user_id, chat_id)
);

create index telegram_chats_chat on telegram_chats (chat_id);

create trigger telegram_chats_updated_at before update on telegram_chats
  for each row execute function set_updated_at();

-- What links a chat: works once and not for long. Only the SHA-256 of a code is kept.
create table telegram_link_codes (
  code_hash  bytea       primary key,
  user_id    text        not null references users (id) on delete cascade,
  expires_at timestamptz not null,
  created_at timestamptz not null default now()
);

create index telegram_link_codes_user on telegram_link_codes (user_id);

-- The bot, as Telegram described it when it last started: what a link to it needs.
create table telegram_bots (
  bot_id     text        primary key,
  username   text        not null,
  started_at timestamptz not null default now()
);

-- What a retry of a delivery has to know: when its turn is, and how far a message of several parts has got.
create table telegram_progress (
  delivery_id uuid        primary key references deliveries (id) on delete cascade,
  bot_id      text        not null,
  chat_id     text        not null,
  -- While it waits for a limit.
  turn_at     timestamptz,
  -- The parts as they were first made: what is sent later has to fit to what is there.
  parts       jsonb,
  parts_sent  integer     not null default 0
);

create index telegram_progress_turn on telegram_progress (bot_id, chat_id, turn_at) where turn_at is not null;

-- Telegram's limits, by GCRA: each time is the theoretical arrival time of the next message. A chat has a row, and (with chat_id '')
-- the bot. Lost in a crash of Postgres, which then costs at most a 429.
create unlogged table telegram_limits (
  bot_id        text        not null,
  chat_id       text        not null,
  next_at       timestamptz not null default '-infinity',
  next_group_at timestamptz not null default '-infinity',
  -- The same for those that wait: when the next one in the queue gets its turn.
  turn_at       timestamptz not null default '-infinity',
  turn_group_at timestamptz not null default '-infinity',
  -- Telegram asked for patience until then.
  blocked_until timestamptz not null default '-infinity',
  primary key (bot_id, chat_id)
);

-- Takes the right to send one message now: 30 a second for a bot, 1 a second to a chat, 20 a minute to a group (ids below zero).
-- taken: send it after wait_ms, which is at most wait_max_ms. Not taken: come again after wait_ms. Who has waited goes before who comes
-- new; turns are a slot apart, so that a queue of n deliveries is looked at n times and not n squared.
-- delivery null: an answer of the bot, which does not queue. moment: for tests.
create function take_telegram_slot(
  bot text, chat text, delivery uuid, wait_max_ms integer, moment timestamptz default null,
  out taken boolean, out wait_ms integer
) language plpgsql as $$
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
end $$;

-- Telegram answered 429. It does not say whether it means the chat or the bot: if a second chat is told to wait while a first one
-- still does, it is the bot.
create function block_telegram(bot text, chat text, block_ms integer) returns void language plpgsql as $$
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
end $$;

-- A group became a supergroup, with another id: links and actions move there.
create function migrate_telegram_chat(from_chat text, to_chat text) returns void language plpgsql as $$
begin
  delete from telegram_chats o
  where o.chat_id = from_chat
    and exists (select from telegram_chats n where n.chat_id = to_chat and n.user_id = o.user_id);
  update telegram_chats set chat_id = to_chat, kind = 'supergroup' where chat_id = from_chat;
  update trigger_actions set config = jsonb_set(config, '{chat_id}', to_jsonb(to_chat))
  where action_type = 'telegram' and config ->> 'chat_id' = from_chat;
end $$;

-- A chat wants messages again: what had disabled it as a destination is over.
create function reopen_telegram_chat(chat text) returns void language sql as $$
  with reopened as (
    update destinations d
    set disabled_at = null, disabled_reason = null, breaker = 'closed', failures = 0, times_opened = 0, opened_at = null, probe_at = null
    from telegram_chats c
    where c.chat_id = chat and d.user_id = c.user_id and d.action_type = 'telegram' and d.address = chat
      and (d.disabled_at is not null or d.breaker <> 'closed' or d.failures > 0)
    returning d.id
  )
  update alerts a set resolved_at = now() from reopened r where a.destination_id = r.id and a.resolved_at is null;
$$;

-- Down Migration

drop function reopen_telegram_chat(text);
drop function migrate_telegram_chat(text, text);
drop function block_telegram(text, text, integer);
drop function take_telegram_slot(text, text, uuid, integer, timestamptz);
drop table telegram_limits;
drop table telegram_progress;
drop table telegram_bots;
drop table telegram_link_codes;
drop table telegram_chats;
