-- $1 user, $2 name, $3 prefix, $4 SHA-256, $5 scopes, $6 when it ends (null: never).
insert into api_keys (user_id, name, prefix, key_hash, scopes, expires_at)
values ($1, $2, $3, $4, $5, $6)
returning id, name, prefix, scopes, expires_at, revoked_at, last_used_at, created_at
