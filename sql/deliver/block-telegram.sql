-- $1 bot, $2 chat, $3 for how long, in ms.
select block_telegram($1, $2, $3)
