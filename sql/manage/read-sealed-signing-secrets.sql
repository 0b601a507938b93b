-- $1 key of the last row of the batch before (null: the first batch), $2 how many at most.
select
  array[s.id::text] as key, x.user_id, x.id as destination_id, jsonb_build_object('secret', s.secret) as texts
from destination_secrets s
join destinations x on x.id = s.destination_id
where $1::text[] is null or s.id > ($1::text[])[1]::bigint
order by s.id
limit $2
