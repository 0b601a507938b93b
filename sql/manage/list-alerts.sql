-- A page of alerts, the newest first. $1 user, $2 whether they are open (null: any), $3 and $4 created_at and id of the last alert of the
-- page before (null: the first page), $5 how many at most.
select
  l.id, l.kind, l.destination_id, l.message, l.created_at, l.resolved_at,
  array[l.created_at::text, l.id::text] as page_key
from alerts l
where l.user_id = $1
  and ($2::boolean is null or (l.resolved_at is null) = $2)
  and ($3::text is null or (l.created_at, l.id) < ($3::text::timestamptz, $4::text::bigint))
order by l.created_at desc, l.id desc
limit $5
