-- The triggers of user $1 that are on are switched off. $2 why.
update triggers set enabled = false, paused_at = now(), paused_reason = $2 where user_id = $1 and enabled returning id
