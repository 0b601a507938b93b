-- Destination $1 of user $2 (null: of any), held against others who change its secrets.
select
  x.id, x.user_id, x.action_type,
  (select count(*) from destination_secrets s where s.destination_id = x.id and s.expires_at > now()) as expiring
from destinations x
where x.id = $1 and ($2::text is null or x.user_id = $2)
for no key update of x
