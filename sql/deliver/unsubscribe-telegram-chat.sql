-- $1 chat, $2 reason. For every user that it is linked to.
update telegram_chats
set unsubscribed_at = now(), unsubscribed_reason = $2
where chat_id = $1 and unsubscribed_at is null
returning user_id
