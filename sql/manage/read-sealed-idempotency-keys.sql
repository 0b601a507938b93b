-- $1 key of the last row of the batch before (null: the first batch), $2 how many at most.
select array[k.user_id, k.key] as key, k.user_id, k.key as name, jsonb_build_object('body', k.body) as texts
from idempotency_keys k
where $1::text[] is null or (k.user_id, k.key) > (($1::text[])[1], ($1::text[])[2])
order by k.user_id, k.key
limit $2
