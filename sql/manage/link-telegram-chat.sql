-- $1 SHA-256 of the code, $2 chat, $3 kind, $4 title. The code is used up. No row: it is not known, or too old.
with used as (
  delete from telegram_link_codes where code_hash = $1 returning user_id, expires_at
)
insert into telegram_chats (chat_id, user_id, kind, title)
select $2, u.user_id, $3, $4 from used u where u.expires_at > now()
on conflict (user_id, chat_id) do update set
  kind = excluded.kind, title = excluded.title, linked_at = now(),
  unsubscribed_at = null, unsubscribed_reason = null, muted_until = null
returning user_id
