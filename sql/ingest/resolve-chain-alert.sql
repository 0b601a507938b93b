-- $1 kind, $2 chain. What it is about is over.
update alerts set resolved_at = now()
where kind = $1 and chain_id = $2 and user_id is null and resolved_at is null
returning id
