-- $1 days that results are kept, $2 how many to delete at most. The oldest first; none of a delivery that has not ended.
select cleanup_old_action_results($1::integer * interval '1 day', $2::integer) as deleted
