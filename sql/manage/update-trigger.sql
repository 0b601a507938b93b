-- $1 trigger, $2 name, $3 description, $4 chain, $5 registry, $6 enabled, $7 circuit breaker.
-- Whoever enables a trigger asks for what happens from now on.
update triggers
set
  name = $2,
  description = $3,
  chain_id = $4,
  registry = $5,
  enabled = $6,
  circuit_breaker = $7,
  version = version + 1,
  active_since = case when $6 and not enabled then date_trunc('second', now()) else active_since end
where id = $1
