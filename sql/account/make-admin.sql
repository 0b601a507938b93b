-- $1 name, $2 hash of the password. One that is there already becomes an administrator and gets the password.
insert into users (username, password_hash, is_admin) values ($1, $2, true)
on conflict (username) do update set password_hash = excluded.password_hash, is_admin = true, is_active = true
returning id, created_at = now() as is_new
