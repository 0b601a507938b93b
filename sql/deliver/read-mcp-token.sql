-- $1 trigger, $2 chain, $3 agent. The sealed token that the trigger's owner has for the agent.
select k.user_id, k.endpoint, k.token
from agent_mcp_tokens k
join triggers t on t.user_id = k.user_id
where t.id = $1 and k.chain_id = $2 and k.agent_id = $3
