-- $1 user, $2 family. A row while the session stands.
select u.is_admin
from users u
where u.id = $1 and u.is_active
  and exists (select from refresh_tokens r where r.family_id = $2 and r.user_id = u.id and r.revoked_at is null and r.expires_at > now())
