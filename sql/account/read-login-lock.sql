-- $1 SHA-256 of the name.
select greatest(1, ceil(extract(epoch from locked_until - now())))::integer as wait_s
from login_failures where name_hash = $1 and locked_until > now()
