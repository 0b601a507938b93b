-- Up Migration

-- Bearer tokens for the MCP servers of agents. A token belongs to one user, and is sent to one place only.
create table agent_mcp_tokens (
  user_id    text          not null references users (id) on delete cascade,
  chain_id   bigint        not null,
  agent_id   numeric(78,0) not null check (agent_id >= 0),
  -- Where it may be sent: this URL or, of a URL without a path, its whole origin. Whoever owns the agent can change its registration
  -- file at any time, so the file never decides where a token goes.
  endpoint   text          not null,
  -- AES-256-GCM, with the id of its key.
  token      text          not null check (token like 'sealed:%'),
  created_at timestamptz   not null default now(),
  updated_at timestamptz   not null default now(),
  primary key (user_id, chain_id, agent_id)
);

create trigger agent_mcp_tokens_updated_at before update on agent_mcp_tokens
  for each row execute function set_updated_at();

-- Down Migration

drop table agent_mcp_tokens;
