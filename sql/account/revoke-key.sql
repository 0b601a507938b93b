-- $1 user, $2 key.
update api_keys set revoked_at = coalesce(revoked_at, now()) where user_id = $1 and id = $2 returning id
