-- $1 user, $2 chain, $3 agent.
delete from agent_mcp_tokens
where user_id = $1 and chain_id = $2 and agent_id = $3
returning chain_id
