-- $1 user, $2 address. Not the last way to sign in.
delete from user_wallets w
using users u
where w.user_id = $1 and w.address = $2 and u.id = $1
  and (u.password_hash is not null or (select count(*) from user_wallets o where o.user_id = $1) > 1)
returning w.address
