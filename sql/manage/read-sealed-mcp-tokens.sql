-- $1 key of the last row of the batch before (null: the first batch), $2 how many at most.
select
  array[k.user_id, k.chain_id::text, k.agent_id::text] as key, k.user_id, k.chain_id, k.agent_id,
  jsonb_build_object('token', k.token) as texts
from agent_mcp_tokens k
where $1::text[] is null
  or (k.user_id, k.chain_id, k.agent_id) > (($1::text[])[1], ($1::text[])[2]::bigint, ($1::text[])[3]::numeric)
order by k.user_id, k.chain_id, k.agent_id
limit $2
