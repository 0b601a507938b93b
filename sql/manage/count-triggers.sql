-- How many triggers user $1 has; counted up to $2.
select count(*) as triggers from (select from triggers where user_id = $1 limit $2) t
