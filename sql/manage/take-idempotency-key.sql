-- Whether this transaction has key $2 of user $1 until its end.
select pg_try_advisory_xact_lock(hashtextextended('tocsin idempotency ' || $1::text || ' ' || $2::text, 0)) as mine
