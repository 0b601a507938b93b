-- $1 bot, $2 chat, $3 delivery (null: an answer of the bot), $4 how long the caller would wait, in ms.
select taken, wait_ms from take_telegram_slot($1, $2, $3, $4)
