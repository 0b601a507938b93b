-- The secrets of destination $1 expire in $2 ms, or when they did already if that is sooner. Those that have expired go.
with gone as (
  delete from destination_secrets
  where destination_id = $1 and (expires_at <= now() or $2::bigint = 0)
),
expiring as (
  update destination_secrets
  set expires_at = now() + $2::bigint * interval '1 millisecond'
  where destination_id = $1 and expires_at is null and $2::bigint > 0
  returning expires_at
)
select expires_at from expiring
