-- A page of the keys of user $1, the newest first. $2 and $3 created_at and id of the last key of the page before (null: the first page), $4 how
-- many at most.
select k.id, k.name, k.prefix, k.scopes, k.expires_at, k.revoked_at, k.last_used_at, k.created_at, array[k.created_at::text, k.id::text] as page_key
from api_keys k
where k.user_id = $1
  and ($2::text is null or (k.created_at, k.id) < ($2::text::timestamptz, $3::text::uuid))
order by k.created_at desc, k.id desc
limit $4
