-- $1 key of the last row of the batch before (null: the first batch), $2 how many at most.
select array[k.kid] as key, k.kid, jsonb_build_object('private_key', k.private_key) as texts
from token_keys k
where $1::text[] is null or k.kid > ($1::text[])[1]
order by k.kid
limit $2
