-- A page of a user's alerts and of those about chains, the newest first. $1 user, $2 whether they are open (null: any), $3 and $4 created_at
-- and id of the last alert of the page before (null: the first page), $5 how many at most.
select id, kind, chain_id, destination_id, message, created_at, resolved_at, array[created_at::text, id::text] as page_key
from (
  (
    select * from alerts l
    where l.user_id = $1
      and ($2::boolean is null or (l.resolved_at is null) = $2)
      and ($3::text is null or (l.created_at, l.id) < ($3::text::timestamptz, $4::text::bigint))
    order by l.created_at desc, l.id desc
    limit $5
  )
  union all
  (
    select * from alerts l
    where l.user_id is null
      and ($2::boolean is null or (l.resolved_at is null) = $2)
      and ($3::text is null or (l.created_at, l.id) < ($3::text::timestamptz, $4::text::bigint))
    order by l.created_at desc, l.id desc
    limit $5
  )
) both_kinds
order by created_at desc, id desc
limit $5
