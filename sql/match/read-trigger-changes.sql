-- $1 chain, $2 the revision that is known. The triggers that have changed since.
select trigger_id from trigger_changes where chain_id = $1 and revision > $2
