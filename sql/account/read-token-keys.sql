-- The newest first.
select kid, public_key, private_key, created_at from token_keys order by created_at desc, kid
