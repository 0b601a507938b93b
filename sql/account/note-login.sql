-- $1 user.
update users set last_login_at = now() where id = $1
