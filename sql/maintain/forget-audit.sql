-- $1 for how many days the audit log is kept (0: for ever), $2 how many rows to delete at most.
select case when $1::integer > 0 then forget_audit($1::integer, $2::integer) else 0 end as deleted
