-- What no change of a table shows. $1 user, $2 action, $3 kind and $4 id of what it is about.
select write_audit($1, $2, $3, $4, null, null) as id
