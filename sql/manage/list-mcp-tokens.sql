-- A page of what is known of a user's tokens, by chain and agent. $1 user, $2 chain (null: any), $3 and $4 chain and agent of the last
-- token of the page before (null: the first page), $5 how many at most.
select
  k.chain_id, k.agent_id, k.endpoint, split_part(k.token, ':', 2) as key_id, k.created_at, k.updated_at,
  array[k.chain_id::text, k.agent_id::text] as page_key
from agent_mcp_tokens k
where k.user_id = $1
  and ($2::bigint is null or k.chain_id = $2)
  and ($3::text is null or (k.chain_id, k.agent_id) > ($3::text::bigint, $4::text::numeric))
order by k.chain_id, k.agent_id
limit $5
