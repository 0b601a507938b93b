-- $1 user, $2 chain, $3 agent. What is known of a token, without the token.
select k.chain_id, k.agent_id, k.endpoint, split_part(k.token, ':', 2) as key_id, k.created_at, k.updated_at
from agent_mcp_tokens k
where k.user_id = $1 and k.chain_id = $2 and k.agent_id = $3
