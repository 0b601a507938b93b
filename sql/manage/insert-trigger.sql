-- $1 user, $2 name, $3 description, $4 chain, $5 registry, $6 enabled, $7 circuit breaker.
insert into triggers (user_id, name, description, chain_id, registry, enabled, circuit_breaker)
values ($1, $2, $3, $4, $5, $6, $7)
returning id
