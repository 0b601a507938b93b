-- One claim at a time, until the end of the transaction: what runs at a host is counted after the claim before has been committed.
select pg_advisory_xact_lock(hashtextextended('tocsin files', 0))
