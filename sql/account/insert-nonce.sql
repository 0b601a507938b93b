-- $1 nonce, $2 for how long it is good, in ms. Those that have expired go.
with expired as (
  delete from sign_in_nonces where expires_at <= now()
)
insert into sign_in_nonces (nonce, expires_at) values ($1, now() + $2 * interval '1 millisecond') returning expires_at
