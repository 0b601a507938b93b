-- $1 delivery.
delete from telegram_progress where delivery_id = $1
