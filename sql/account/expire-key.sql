-- $1 user, $2 key, $3 in how many ms it ends, unless it does sooner. No row: it has ended.
update api_keys
set expires_at = least(expires_at, now() + $3 * interval '1 millisecond')
where user_id = $1 and id = $2 and revoked_at is null and (expires_at is null or expires_at > now())
returning name, scopes, expires_at
