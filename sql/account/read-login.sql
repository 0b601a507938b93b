-- $1 name.
select id, password_hash, is_active from users where username = $1
