-- A page of triggers, the newest first. $1 chain, $2 registry, $3 enabled (each null: any), $4 and $5 created_at and id of the last
-- trigger of the page before (null: the first page), $6 how many at most, $7 user (null: any).
select t.id, array[t.created_at::text, t.id] as page_key
from triggers t
where ($1::bigint is null or t.chain_id = $1)
  and ($2::text is null or t.registry = $2)
  and ($3::boolean is null or t.enabled = $3)
  and ($7::text is null or t.user_id = $7)
  and ($4::text is null or (t.created_at, t.id) < ($4::text::timestamptz, $5::text))
order by t.created_at desc, t.id desc
limit $6
