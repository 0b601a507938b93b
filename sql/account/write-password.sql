-- $1 user, $2 hash.
update users set password_hash = $2 where id = $1
