-- Those that were replaced $1 ms ago or earlier.
delete from token_keys k
where (
  select min(n.created_at) from token_keys n where n.created_at > k.created_at
) < now() - $1 * interval '1 millisecond'
