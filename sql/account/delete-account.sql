-- $1 user, with everything of theirs. Deliveries and matches outlive a trigger, so they go first.
with of_user as (
  select d.id, d.match_id from deliveries d
  where d.trigger_id in (select t.id from triggers t where t.user_id = $1)
    or d.destination_id in (select x.id from destinations x where x.user_id = $1)
),
gone as (
  delete from deliveries d using of_user o where d.id = o.id returning d.match_id
)
select array_agg(distinct match_id) filter (where match_id is not null) as matches from gone
