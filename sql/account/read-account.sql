-- $1 user.
select u.id, u.username, u.is_admin, u.password_hash, u.is_active, u.created_at, u.last_login_at,
  coalesce((select json_agg(w.address order by w.created_at, w.address) from user_wallets w where w.user_id = u.id), '[]') as wallets
from users u
where u.id = $1
