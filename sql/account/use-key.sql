-- $1 SHA-256 of a key. A row while it stands, and its user too; lives_ms: how much longer, if not for ever. Notes the use if the last note is a minute old.
with found as (
  select k.id, k.user_id, k.scopes, k.last_used_at, u.is_admin,
    (extract(epoch from k.expires_at - now()) * 1000)::double precision as lives_ms
  from api_keys k
  join users u on u.id = k.user_id
  where k.key_hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and u.is_active
),
noted as (
  update api_keys k
  set last_used_at = now()
  from found f
  where k.id = f.id and (f.last_used_at is null or f.last_used_at < now() - interval '1 minute')
    and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute')
)
select id, user_id, scopes, is_admin, lives_ms from found
