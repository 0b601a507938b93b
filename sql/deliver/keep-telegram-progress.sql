-- $1 delivery, $2 bot, $3 chat, $4 all parts of its message, $5 how many of them are sent.
insert into telegram_progress (delivery_id, bot_id, chat_id, parts, parts_sent)
values ($1, $2, $3, $4, $5)
on conflict (delivery_id) do update
set bot_id = excluded.bot_id, chat_id = excluded.chat_id, parts = excluded.parts, parts_sent = excluded.parts_sent
