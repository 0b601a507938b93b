-- $1 chain (null: all), $2 first hour, $3 the hour before which it ends. Canonical events by hour; hours without any are left out.
select hour, sum(event_count)::bigint as count
from events_hourly
where hour >= $2::timestamptz and hour < $3::timestamptz
  and ($1::bigint is null or chain_id = $1)
group by hour
order by hour
