-- Destination $1 of user $2 (null: of any): $3 how many deliveries may be in flight (null: as before), $4 whether $5, how many may begin in
-- a second (null: any number), is given. Wakes the relay: there may be room now.
with changed as (
  update destinations
  set in_flight_max = coalesce($3, in_flight_max), per_second_max = case when $4::boolean then $5::numeric else per_second_max end,
    next_at = case when $4::boolean then '-infinity' else next_at end
  where id = $1 and ($2::text is null or user_id = $2)
  returning id
)
select id, pg_notify('delivery_pending', '') as notified from changed
