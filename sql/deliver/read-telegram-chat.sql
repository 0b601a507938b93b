-- $1 trigger, $2 chat, $3 delivery.
select
  c.chat_id is not null as linked, c.unsubscribed_at, c.unsubscribed_reason,
  case when c.muted_until > now() then c.muted_until end as muted_until,
  p.delivery_id is not null as begun, p.parts, coalesce(p.parts_sent, 0) as parts_sent
from triggers t
left join telegram_chats c on c.user_id = t.user_id and c.chat_id = $2
left join telegram_progress p on p.delivery_id = $3
where t.id = $1
