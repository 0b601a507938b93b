-- $1 address, $2 user. The user whose it is: $2, or whose it was before.
insert into user_wallets as w (address, user_id) values ($1, $2)
on conflict (address) do update set address = excluded.address
returning user_id
