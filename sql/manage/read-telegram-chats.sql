-- $1 user (null: any), $2 chat (null: any), $3 and $4 linked_at and chat_id of the last chat of the page before (null: the first
-- page), $5 how many at most. The newest first.
select
  c.chat_id, c.kind, c.title, c.linked_at, c.unsubscribed_at, c.unsubscribed_reason, c.muted_until,
  array[c.linked_at::text, c.chat_id] as page_key
from telegram_chats c
where ($1::text is null or c.user_id = $1)
  and ($2::text is null or c.chat_id = $2)
  and ($3::text is null or (c.linked_at, c.chat_id) < ($3::text::timestamptz, $4::text))
order by c.linked_at desc, c.chat_id desc
limit $5
