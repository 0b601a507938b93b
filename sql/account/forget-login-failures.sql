-- $1 SHA-256 of the name. Those of a day ago go as well.
delete from login_failures where name_hash = $1 or updated_at < now() - interval '1 day'
