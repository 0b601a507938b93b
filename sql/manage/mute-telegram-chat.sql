-- $1 chat, $2 until when (null: not at all), $3 user (null: for every user that it is linked to).
update telegram_chats c
set muted_until = $2
where c.chat_id = $1 and ($3::text is null or c.user_id = $3)
returning c.chat_id, c.kind, c.title, c.linked_at, c.unsubscribed_at, c.unsubscribed_reason, c.muted_until
