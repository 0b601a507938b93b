-- $1 user. Keys that stand.
select count(*) as keys from api_keys where user_id = $1 and revoked_at is null and (expires_at is null or expires_at > now())
