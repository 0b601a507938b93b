-- $1 nonce. Uses it up.
with used as (
  delete from sign_in_nonces where nonce = $1 returning expires_at
)
select expires_at > now() as is_good from used
