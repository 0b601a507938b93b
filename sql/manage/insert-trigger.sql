-- $1 user, $2 name, $3 description, $4 chain, $5 registry, $6 enabled, $7 circuit breaker, $8 finality, $9 from block, $10 warm up,
-- $11 cooldown, $12 max fires, $13 whether it remembers anything.
insert into triggers
  (user_id, name, description, chain_id, registry, enabled, circuit_breaker, finality, from_block, warm_up, cooldown, max_fires, is_stateful)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
returning id
