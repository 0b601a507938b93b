-- Until the end of the transaction nobody else makes a key.
select pg_advisory_xact_lock(hashtextextended('tocsin token keys', 0))
