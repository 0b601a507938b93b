-- $1 chat. What was sent to it in the last day, and what waits or failed.
select
  count(*) filter (where d.state = 'succeeded') as succeeded,
  count(*) filter (where d.state in ('failed', 'unknown')) as failed,
  count(*) filter (where d.state in ('pending', 'enqueued', 'running')) as waiting
from deliveries d
join destinations x on x.id = d.destination_id
join telegram_chats c on c.user_id = x.user_id and c.chat_id = x.address
where x.action_type = 'telegram' and x.address = $1 and d.created_at > now() - interval '1 day'
