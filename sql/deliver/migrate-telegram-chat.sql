-- $1 the chat's old id, $2 its new one.
select migrate_telegram_chat($1, $2)
