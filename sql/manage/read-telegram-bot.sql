select username from telegram_bots order by started_at desc limit 1
