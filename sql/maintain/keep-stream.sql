-- $1 for how many days changes are kept, $2 how many to delete at most.
select keep_stream($1::integer, $2::integer) as deleted
