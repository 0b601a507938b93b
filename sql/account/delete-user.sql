-- $1 user, $2 matches whose deliveries are gone.
with gone as (
  delete from matches m
  where (m.id = any (coalesce($2::bigint[], '{}')) or m.trigger_id in (select t.id from triggers t where t.user_id = $1))
)
delete from users where id = $1 returning id
