-- $1 user, $2 key.
select id, name, prefix, scopes, expires_at, revoked_at, last_used_at, created_at from api_keys where user_id = $1 and id = $2
