-- $1 chat.
select reopen_telegram_chat($1)
