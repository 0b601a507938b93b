-- $1 user, $2 chain, $3 agent, $4 endpoint, $5 sealed token. Stores it, in place of the one before.
insert into agent_mcp_tokens (user_id, chain_id, agent_id, endpoint, token)
values ($1, $2, $3, $4, $5)
on conflict (user_id, chain_id, agent_id) do update set endpoint = excluded.endpoint, token = excluded.token
returning chain_id, agent_id, endpoint, split_part(token, ':', 2) as key_id, created_at, updated_at, created_at = now() as is_new
