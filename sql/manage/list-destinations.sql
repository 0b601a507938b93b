-- A page of destinations, the newest first. $1 user, $2 action type, $3 breaker, $4 whether they are disabled (each null: any), $5 id
-- of the last destination of the page before (null: the first page), $6 how many at most.
select
  x.id, x.action_type, x.address, substring(x.address from '^https?://([^/]+)') as host, x.breaker, x.failures, x.times_opened,
  x.opened_at, x.probe_at, x.last_error, x.in_flight_max, x.per_second_max::float8 as per_second_max, x.disabled_at, x.disabled_reason,
  (
    select coalesce(jsonb_agg(jsonb_build_object('created_at', s.created_at, 'expires_at', s.expires_at) order by s.id desc), '[]')
    from destination_secrets s
    where s.destination_id = x.id and (s.expires_at is null or s.expires_at > now())
  ) as signing_secrets,
  x.created_at, x.updated_at,
  array[x.id::text] as page_key
from destinations x
where ($1::text is null or x.user_id = $1)
  and ($2::text is null or x.action_type = $2)
  and ($3::text is null or x.breaker = $3)
  and ($4::boolean is null or (x.disabled_at is not null) = $4)
  and ($5::text is null or x.id < $5::text::bigint)
order by x.id desc
limit $6
