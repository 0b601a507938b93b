-- The actions of trigger $1, except those with the ids $2.
delete from trigger_actions where trigger_id = $1 and id <> all ($2::bigint[])
