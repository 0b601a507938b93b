-- $1 name, $2 hash of the password (null: none), $3 whether they are an administrator. No row: the name is taken.
insert into users (username, password_hash, is_admin) values ($1, $2, $3)
on conflict (username) do nothing
returning id
