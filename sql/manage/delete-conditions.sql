delete from trigger_conditions where trigger_id = $1
