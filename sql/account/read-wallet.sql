-- $1 address.
select w.user_id, u.is_active from user_wallets w join users u on u.id = w.user_id where w.address = $1
