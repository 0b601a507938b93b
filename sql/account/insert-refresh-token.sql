-- $1 family, $2 user, $3 SHA-256, $4 for how long it is good, in ms. What of this user has expired goes.
with expired as (
  delete from refresh_tokens where user_id = $2 and expires_at <= now()
)
insert into refresh_tokens (family_id, user_id, token_hash, expires_at)
values ($1, $2, $3, now() + $4 * interval '1 millisecond')
