-- $1 bot, $2 its name. The one that started last is the one that links lead to.
insert into telegram_bots (bot_id, username) values ($1, $2)
on conflict (bot_id) do update set username = excluded.username, started_at = now()
