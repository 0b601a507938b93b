-- Trigger $1 of user $2 (null: of any).
delete from triggers where id = $1 and ($2::text is null or user_id = $2) returning id
