-- $1 SHA-256. Uses the token up. No row: it is not known, or was used, revoked or is too old. Of those who come at the same time one gets it.
update refresh_tokens r
set used_at = now()
from users u
where r.token_hash = $1 and r.used_at is null and r.revoked_at is null and r.expires_at > now()
  and u.id = r.user_id and u.is_active
returning r.family_id, r.user_id
