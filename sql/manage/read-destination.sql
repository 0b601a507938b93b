-- Destination $1 of user $2 (null: of any).
select
  x.id, x.action_type, x.address, substring(x.address from '^https?://([^/]+)') as host, x.breaker, x.failures, x.times_opened,
  x.opened_at, x.probe_at, x.last_error, x.in_flight_max, x.per_second_max::float8 as per_second_max, x.disabled_at, x.disabled_reason,
  (
    select coalesce(jsonb_agg(jsonb_build_object('created_at', s.created_at, 'expires_at', s.expires_at) order by s.id desc), '[]')
    from destination_secrets s
    where s.destination_id = x.id and (s.expires_at is null or s.expires_at > now())
  ) as signing_secrets,
  x.created_at, x.updated_at
from destinations x
where x.id = $1 and ($2::text is null or x.user_id = $2)
