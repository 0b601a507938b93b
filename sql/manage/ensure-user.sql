-- The id of the user named $1, who is made if there is none. The update that changes nothing lets a row come back either way.
insert into users (username)
values ($1)
on conflict (username) do update set username = excluded.username
returning id
