-- User $1, with the numbers of what they have.
select
  u.id, u.username, u.is_admin, u.is_active, u.created_at, u.last_login_at,
  u.password_hash is not null as has_password,
  (select count(*) from user_wallets w where w.user_id = u.id) as wallets,
  (select count(*) from triggers t where t.user_id = u.id) as triggers,
  (select count(*) from triggers t where t.user_id = u.id and t.enabled) as triggers_enabled,
  (select count(*) from api_keys k where k.user_id = u.id and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())) as keys,
  (select max(k.last_used_at) from api_keys k where k.user_id = u.id) as key_last_used_at
from users u
where u.id = $1
