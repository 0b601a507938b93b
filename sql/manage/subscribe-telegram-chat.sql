-- $1 chat. A row for each user that it is linked to.
update telegram_chats
set unsubscribed_at = null, unsubscribed_reason = null
where chat_id = $1
returning user_id
