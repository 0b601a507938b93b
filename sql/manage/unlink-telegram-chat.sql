-- $1 user, $2 chat.
delete from telegram_chats where user_id = $1 and chat_id = $2 returning chat_id
