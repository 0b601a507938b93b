-- $1 SHA-256 of a refresh token. If it was used before, its whole family ends.
update refresh_tokens r
set revoked_at = now()
from refresh_tokens seen
where seen.token_hash = $1 and seen.used_at is not null and r.family_id = seen.family_id and r.revoked_at is null
returning r.user_id
