-- Until the end of the transaction nobody else makes a trigger of user $1. What is counted after it stays so.
select pg_advisory_xact_lock(hashtextextended('tocsin triggers of ' || $1::text, 0))
