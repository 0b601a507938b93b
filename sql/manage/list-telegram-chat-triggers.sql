-- $1 chat. The triggers that send to it, of the users to whom it is linked; at most 51, to see whether there are more than 50.
select t.id, t.name, t.enabled, t.chain_id, t.registry
from triggers t
join telegram_chats c on c.user_id = t.user_id and c.chat_id = $1
where exists (
  select from trigger_actions a
  where a.trigger_id = t.id and a.action_type = 'telegram' and a.config ->> 'chat_id' = $1
)
order by t.name, t.id
limit 51
