-- A page of all users, the newest first. $1 what the name contains (null: any), $2 and $3 created_at and id of the last user of the page before (null:
-- the first page), $4 how many at most.
select u.id, u.username, u.is_admin, u.is_active, u.created_at, u.last_login_at, array[u.created_at::text, u.id] as page_key
from users u
where ($1::text is null or strpos(u.username, $1) > 0)
  and ($2::text is null or (u.created_at, u.id) < ($2::text::timestamptz, $3::text))
order by u.created_at desc, u.id desc
limit $4
