-- $1 rows as a JSON array: key, before, after. One that was changed meanwhile stays as it is.
update agent_mcp_tokens k
set token = n.after ->> 'token'
from jsonb_to_recordset($1::jsonb) as n (key jsonb, before jsonb, after jsonb)
where k.user_id = n.key ->> 0 and k.chain_id = (n.key ->> 1)::bigint and k.agent_id = (n.key ->> 2)::numeric
  and k.token = n.before ->> 'token'
returning n.key
