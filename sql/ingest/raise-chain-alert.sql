-- $1 kind, $2 chain, $3 message, $4 detail. One alert of a kind and chain is open at a time: no row when there is one already.
insert into alerts (kind, chain_id, message, detail) values ($1, $2, $3, $4)
on conflict (chain_id, kind) where user_id is null and resolved_at is null do nothing
returning id
